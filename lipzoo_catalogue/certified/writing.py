"""Files of certified examples, whole or not at all; text is written piece by piece."""

import json
import os
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.certified.parquet import SUFFIX, check_installed, write_parquet
from lipzoo_catalogue.certified.report import left_out_rows
from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.files import replacing

FORMATS = (".csv", ".json", ".npz", SUFFIX)
# Those that can be parts of a data set.
PARTS = (".npz", SUFFIX)


def check_out(path: Path, option: str) -> None:
    """Refuses, before any work, a file that cannot be written.

    Raises:
        ValueError: for an unknown ending, a folder in the file's place, or a folder around it that
            does not exist or may not be written into.
        ImportError: for a Parquet file without pyarrow.
    """
    if path.suffix not in FORMATS:
        raise ValueError(
            f"{option}: expected a .csv, .json, .npz or .parquet file. Received: {path}"
        )
    if path.is_dir():
        raise ValueError(f"{option}: expected a file. Received: {path}, which is a folder")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ValueError(f"{option}: expected a folder that exists. Received: {path}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(
            f"{option}: expected a folder that may be written into. Received: {path}, in {folder}"
        )
    if path.suffix == SUFFIX:
        check_installed(option)


def write_certified(
    path: Path, certified: Certified, abstain_below: float, part: str | None = None
) -> None:
    """Writes certified examples in one of the formats, as the ending says, atomically.

    Args:
        path: the file.
        certified: the examples.
        abstain_below: radius up to which a prediction is not relied on.
        part: what a file of `PARTS` states of itself as a part of a data set.

    Raises:
        OSError: if the file cannot be written; an existing file is then unchanged.
    """
    with replacing(path) as file:
        if path.suffix == ".npz":
            _write_npz(file, certified, part)
        elif path.suffix == SUFFIX:
            write_parquet(file, certified, part)
        elif path.suffix == ".json":
            _write_json(file, certified, abstain_below)
        else:
            for number, report in enumerate(certified.reports(abstain_below)):
                file.write(report.to_csv(header=number == 0).encode())


def bound_key(terms: Terms) -> str:
    """What the bound is called: in standard deviations it is not that of the whole model."""
    return "lipschitz_bound_after_standardization" if terms.standardized else "lipschitz_bound"


def _write_json(file: BinaryIO, certified: Certified, abstain_below: float) -> None:
    terms = certified.terms
    values: dict[str, object] = {
        "norm": terms.norm,
        "units": terms.units,
        **({"domain": terms.domain} if terms.domain else {}),
        "abstain_below": abstain_below,
        "coverage": certified.coverage(abstain_below),
        "class_names": list(terms.class_names),
        "examples": [],
    }
    head, tail = _dump(values).rsplit("[]", 1)
    file.write(f"{head}[".encode())
    separator = "\n"
    for report in certified.reports(abstain_below):
        for row in report.rows():
            file.write((separator + _dump(row)).replace("\n", "\n    ").encode())
            separator = ",\n"
    if certified.left_out:
        entries = {"left_out": left_out_rows(certified.left_out)}
        tail = f",{_dump(entries)[1:-2]}{tail}"
    file.write(f"\n  ]{tail}\n".encode())


def _dump(values: object) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)


def _write_npz(file: BinaryIO, certified: Certified, part: str | None) -> None:
    """As `numpy.savez` does, which takes no column of the name `file`."""
    terms = certified.terms
    arrays: dict[str, npt.ArrayLike] = {
        **certified.columns,
        bound_key(terms): terms.bound,
        "norm": terms.norm,
        "units": terms.units,
    }
    if terms.domain:
        arrays["domain"] = terms.domain
    if terms.local:
        arrays["local"] = True
    if terms.feature_names:
        arrays["feature_names"] = terms.feature_names
    if certified.left_out:
        arrays["left_out"] = [entry.origin for entry in certified.left_out]
        arrays["left_out_reason"] = [entry.reason for entry in certified.left_out]
    if part is not None:
        arrays["part"] = part
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)
