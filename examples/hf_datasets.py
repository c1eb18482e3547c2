"""Certifies with the library datasets: `python examples/hf_datasets.py images.parquet radii`."""

import sys

import datasets

import lipzoo


def certify(images: str, radii: str, processes: int = 2) -> lipzoo.CertificateSummary:
    """Certifies in processes that load the model once each; writes a Parquet file."""
    certifier = lipzoo.Certifier("gradflow-fmnist", epsilons=[0.1, 0.25, 0.5])
    data = datasets.load_dataset("parquet", data_files=images, split="train")
    answers = data.with_format("numpy").map(
        certifier, batched=True, batch_size=256, num_proc=processes, remove_columns=["x"]
    )
    answers.to_parquet(radii)
    return certifier.summary(answers.iter(batch_size=10_000))


if __name__ == "__main__":
    print(certify(*sys.argv[1:]))
