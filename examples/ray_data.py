"""Certifies with Ray Data: `python examples/ray_data.py images.parquet radii`."""

import sys

import ray

import lipzoo


def certify(images: str, radii: str, actors: int = 2) -> lipzoo.CertificateSummary:
    """Certifies in actors that load the model once each; writes Parquet files into a folder."""
    arguments = {"name": "gradflow-fmnist", "epsilons": [0.1, 0.25, 0.5]}
    answers = (
        ray.data.read_parquet(images)
        .repartition(target_num_rows_per_block=256)
        .map_batches(
            lipzoo.Certifier,
            fn_constructor_kwargs=arguments,
            batch_size=256,
            # Reading needs processors too: actors that held all of them would wait for ever.
            num_cpus=0.5,
            compute=ray.data.ActorPoolStrategy(size=actors),
        )
        .materialize()
    )
    answers.write_parquet(radii)
    return lipzoo.Certifier(**arguments).summary(answers.iter_batches(batch_size=None))


if __name__ == "__main__":
    print(certify(*sys.argv[1:]))
