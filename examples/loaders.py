"""Certifies what training pipelines read: `python examples/loaders.py images.parquet NAME`.

NAME is `tf.data`, `torch` (a `DataLoader` of PyTorch) or `grain`.
"""

import sys

import numpy as np
import pyarrow.parquet as pq

import lipzoo


def arrays(images: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a Parquet file."""
    table = pq.read_table(images)
    pixels = table["x"].combine_chunks().flatten().to_numpy()
    return pixels.reshape(-1, 28, 28, 1), table["y"].to_numpy()


def tf_data(x, y):
    """A `tf.data.Dataset`."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(256).prefetch(2)


def torch_loader(x, y):
    """A `DataLoader` of PyTorch, whose batches are lists of tensors."""
    import torch

    data = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    return torch.utils.data.DataLoader(data, batch_size=256)


def grain_data(x, y):
    """A data set of grain, whose batches are dicts."""
    import grain

    rows = [{"x": image, "y": label} for image, label in zip(x, y, strict=True)]
    return grain.MapDataset.source(rows).batch(256)


LOADERS = {"tf.data": tf_data, "torch": torch_loader, "grain": grain_data}


if __name__ == "__main__":
    model = lipzoo.load("gradflow-fmnist")
    data = LOADERS[sys.argv[2]](*arrays(sys.argv[1]))
    print(lipzoo.certify(model, data))
    # Counts alone, if the answers of all examples were too many.
    print(lipzoo.certify_summary(model, data, [0.1, 0.25, 0.5]))
