"""Data sets: readers of files, folders and addresses, labels, splits and fingerprints.

Examples to certify are read piece by piece where the data set is larger than memory; what was
certified is kept, joined and written by `lipzoo_catalogue.certified`, without Keras.
"""

from lipzoo.data.dataset import DataError, Dataset, load_data
from lipzoo.data.settings import DataSettings

__all__ = ["DataError", "DataSettings", "Dataset", "load_data"]
