"""`python -m studies.samples`: the images behind `lipzoo.samples`, from the data set itself.

Writes the first test images of Fashion-MNIST, in the order of TensorFlow Datasets (`TFDS_DATA_DIR`
is honoured), as stored bytes into `lipzoo/data/samples/fmnist.npz`.
"""

import io

import numpy as np

from lipzoo.data.dataset import load_data
from lipzoo.data.samples import FOLDER
from lipzoo.data.settings import DataSettings
from lipzoo_catalogue.files import write_file

COUNT = 64


def first_test_images() -> dict[str, np.ndarray]:
    """Images as bytes and their labels, by the names that they are stored under."""
    test = load_data(DataSettings("tfds:fashion_mnist")).test
    return {"images": test.x[:COUNT], "labels": test.y[:COUNT].astype("uint8")}


def main():
    """Writes the file."""
    content = io.BytesIO()
    np.savez_compressed(content, **first_test_images())
    write_file(FOLDER / "fmnist.npz", content.getvalue())


if __name__ == "__main__":
    main()
