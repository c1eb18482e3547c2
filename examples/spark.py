"""Certifies with Spark: `python examples/spark.py images.parquet radii`."""

import os
import sys

from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

import lipzoo


def certify(images: str, radii: str, workers: int = 2) -> lipzoo.CertificateSummary:
    """Certifies in Python workers that load the model once each; writes Parquet files."""
    # Workers run the Python that has lipzoo.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # A task is tried four times: a worker that dies is replaced.
    spark = SparkSession.builder.master(f"local[{workers},4]").appName("certify").getOrCreate()
    certifier = lipzoo.Certifier("gradflow-fmnist", epsilons=[0.1, 0.25, 0.5])
    certified = predict_batch_udf(
        certifier.make_predict_fn,
        return_type=DataType.fromDDL(certifier.spark_type),
        batch_size=256,
        input_tensor_shapes={0: [28, 28, 1]},
    )
    frame = spark.read.parquet(images).repartition(workers)
    answers = frame.select("id", "y", certified("x", "y").alias("answer"))
    answers.select("id", "y", "answer.*").write.parquet(radii)
    rows = spark.read.parquet(radii).toPandas()
    spark.stop()
    return certifier.summary([{name: rows[name].to_numpy() for name in rows}])


if __name__ == "__main__":
    print(certify(*sys.argv[1:]))
