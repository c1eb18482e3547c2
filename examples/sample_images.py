"""Writes a Parquet file of images: `python examples/sample_images.py images.parquet [ROWS]`.

Columns: `id`, `x` (the pixels in [0, 1] of one image, rows first) and `y` (its class).
"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import lipzoo


def write_images(path: str, rows: int = 1_000) -> None:
    """Writes as many rows, 64 test images of Fashion-MNIST again and again."""
    images, labels = lipzoo.samples("fmnist")
    numbers = np.arange(rows)
    pixels = images.reshape(len(images), -1)[numbers % len(images)]
    x = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), pixels.shape[1])
    table = pa.table({"id": numbers, "x": x, "y": labels[numbers % len(images)]})
    # What an engine reads at a time.
    pq.write_table(table, path, row_group_size=256)


if __name__ == "__main__":
    write_images(sys.argv[1], *map(int, sys.argv[2:]))
