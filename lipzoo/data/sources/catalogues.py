"""Data sets by name: TensorFlow Datasets and those that scikit-learn brings."""

import os
import socket
from pathlib import Path

from lipzoo.data.sources.raw import DataError, RawData, RawSplit
from lipzoo_catalogue.installing import how_to_install


def read_tfds(name: str) -> RawData:
    """An image classification set of TensorFlow Datasets, prepared on disk or downloaded."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(
            f"tfds:{name} needs TensorFlow Datasets: {how_to_install('train')} ({error})"
        ) from None
    folder = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    try:
        builder = tfds.builder(name)
    except Exception as error:
        raise DataError(
            f"tfds:{name}: TensorFlow Datasets knows no such data set: {error}"
        ) from None
    if not Path(str(builder.data_dir)).exists():
        try:
            _check_network()
            builder.download_and_prepare()
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise DataError(
                f"tfds:{name} is neither under {folder} nor could it be downloaded. Prepare it "
                f"once with network access (tfds build {name}), or set TFDS_DATA_DIR to a folder "
                f"that holds it. The download failed with: {reason[0][:200]}"
            ) from None
    features = builder.info.features
    if not {"image", "label"} <= set(features or {}) or None in features["image"].shape:
        raise DataError(
            f"tfds:{name}: expected images of one size with one label each. Received: {features}"
        )
    splits = {}
    for key in set(builder.info.splits) & {"train", "validation", "test"}:
        dataset = builder.as_dataset(
            split=key, batch_size=-1, shuffle_files=False, as_supervised=True
        )
        x, labels = tfds.as_numpy(dataset)
        splits[key] = RawSplit(x, labels)
    if "train" not in splits:
        raise DataError(f"tfds:{name}: expected a split named 'train'")
    names = tuple(builder.info.features["label"].names)
    return RawData(f"tfds:{name}", **splits, class_names=names, ordered=True)


def _check_network() -> None:
    """Fails at once where no name resolves; TFDS itself retries for minutes.

    Raises:
        OSError: if there is neither a proxy nor a working name server.
    """
    if not any(key.lower() in ("http_proxy", "https_proxy", "all_proxy") for key in os.environ):
        socket.getaddrinfo("storage.googleapis.com", 443)


def read_sklearn(name: str) -> RawData:
    """A data set that scikit-learn brings with it."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError(
            f"sklearn:{name} needs scikit-learn: {how_to_install('train')} ({error})"
        ) from None
    loaders = {
        "breast_cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
    }
    if name not in loaders:
        raise DataError(f"sklearn:{name}: expected one of {', '.join(loaders)}")
    bunch = loaders[name]()
    # Pixels of the digits are counts from 0 to 16.
    x = (bunch.images[..., None] / 16 if name == "digits" else bunch.data).astype("float32")
    names = tuple(str(label) for label in bunch.target_names)
    return RawData(f"sklearn:{name}", RawSplit(x, bunch.target), class_names=names)
