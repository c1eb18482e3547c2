"""Certifies with Apache Beam: `python examples/beam.py images.parquet radii`."""

import sys
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions

import lipzoo

COLUMNS = ("id", "y", "prediction", "radius", "rival", "fingerprint")
SCHEMA = pa.schema([(name, "float64" if name == "radius" else "int64") for name in COLUMNS])


def certify(images: str, radii: str, *options: str) -> lipzoo.CertificateSummary:
    """Certifies with the runner that the options name, by default the direct one."""
    certifier = lipzoo.Certifier("gradflow-fmnist", epsilons=[0.1, 0.25, 0.5])
    Path(radii).mkdir()
    with beam.Pipeline(options=PipelineOptions([*options])) as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromParquet(images)
            | RunInference(certifier.model_handler(min_batch_size=256, max_batch_size=256))
            | beam.Map(lambda result: result.inference)
            | beam.io.WriteToParquet(f"{radii}/part", SCHEMA, file_name_suffix=".parquet")
        )
    rows = pq.read_table(radii)
    return certifier.summary([{name: rows[name].to_numpy() for name in COLUMNS}])


if __name__ == "__main__":
    print(certify(*sys.argv[1:]))
