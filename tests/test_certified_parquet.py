"""Certified examples as Parquet: what another reader finds, and parts that are joined."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

import lipzoo
from lipzoo_catalogue.certified import parquet
from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.certified.csv_text import cell, few_texts
from lipzoo_catalogue.certified.origin import LeftOut
from lipzoo_catalogue.certified.parts import Part, PartError, read_part
from lipzoo_catalogue.certified.shards import Shard
from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.certified.writing import check_out, write_certified

TERMS = Terms("m", 1.0, True, True, "l2", "metres", ("no", 'y"es'), ("age", "sex"), "float32")
EXAMPLES = 7
LEFT_OUT = [(2, 4, "no label")]


def _columns(rows=slice(None), **more):
    generator = np.random.default_rng(0)
    columns = {
        "radius": np.array([0.0, 0.1, 1 / 3, np.inf, 1e-300, 2.0, 0.7]),
        "prediction": generator.integers(0, 2, EXAMPLES),
        "rival": np.array([1, 0, 1, -1, 0, 1, -1]),
        "labels": generator.integers(0, 2, EXAMPLES),
        "feature_radii": generator.random((EXAMPLES, 2)),
        "row": np.array([2, 3, 5, 6, 7, 8, 9]),
        "file": np.array(["a.png", "b.png", "ü.png", "d", "e", "f", "a longer name.png"]),
    }
    return {name: column[rows] for name, column in (columns | more).items()}


def _settings(**more):
    return {"examples": EXAMPLES, "weights": "a" * 64, "left_out": LEFT_OUT} | more


def _part(path, number, settings=None, count=3):
    shard = Shard(number, count)
    rows = shard.of(EXAMPLES)
    certified = Certified(TERMS, _columns(slice(rows.start, rows.stop)), rows.start)
    part = Part(shard, settings or _settings(), TERMS).to_json()
    write_certified(path, certified, 0.0, part)
    return path


def _same(one, other):
    assert list(one.columns) == list(other)
    for name, column in other.items():
        assert np.array_equal(one.columns[name], column), name
        assert one.columns[name].dtype.kind == column.dtype.kind, name


def test_another_reader_finds_the_columns_and_what_holds_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS", 3)
    columns = _columns()
    path = tmp_path / "radii.parquet"
    left_out = tuple(LeftOut(*entry) for entry in LEFT_OUT)
    write_certified(path, Certified(TERMS, columns, left_out=left_out), 0.0)
    frame = pd.read_parquet(path)
    assert list(frame) == [
        "example", "row", "file", "prediction", "radius", "rival", "label",
        "radius of age", "radius of sex",
    ]  # fmt: skip
    for name in ("row", "file", "prediction", "radius"):
        assert frame[name].tolist() == columns[name].tolist()
    assert frame["label"].tolist() == columns["labels"].tolist()
    assert frame["example"].tolist() == list(range(EXAMPLES))
    assert frame["rival"].isna().tolist() == (columns["rival"] < 0).tolist()
    assert frame["radius of sex"].tolist() == columns["feature_radii"][:, 1].tolist()
    about = parquet.read_about(path)
    assert about["terms"]["units"] == "metres"
    assert about["left_out"] == [[2, 4, "no label"]]
    with pytest.raises(PartError, match=r"radii.parquet: .*no part, but a whole"):
        read_part(path)


@pytest.mark.parametrize("endings", [("parquet",) * 3, ("npz", "parquet", "npz")])
def test_parts_of_either_format_are_joined(tmp_path, endings):
    paths = [
        _part(tmp_path / f"{number}.{ending}", number)
        for number, ending in zip((2, 3, 1), endings, strict=True)
    ]
    joined = lipzoo.join_certificates(paths)
    _same(joined, _columns())
    assert joined.terms == TERMS
    assert joined.left_out == (LeftOut(2, 4, "no label"),)


def test_parts_that_do_not_fit_are_refused_by_name(tmp_path):
    one = _part(tmp_path / "one.parquet", 1)
    two = _part(tmp_path / "two.parquet", 2)
    three = _part(tmp_path / "three.npz", 3)
    other = _part(tmp_path / "other.parquet", 2, _settings(weights="b" * 64))
    plain = tmp_path / "plain.parquet"
    pd.DataFrame({"radius": [0.1]}).to_parquet(plain)
    newer = tmp_path / "newer.parquet"
    newer.write_bytes(two.read_bytes().replace(b'"format_version": 1', b'"format_version": 9'))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(two.read_bytes()[:-100])
    cases = {
        "expected all 3 parts. Received: 2, without part 3": [one, two],
        "one.parquet: expected every part once": [one, two, one],
        "other.parquet: expected a part with the weights": [one, other, three],
        "plain.parquet: expected a part.*no certified examples": [one, plain, three],
        "newer.parquet: expected a part.*": [one, newer, three],
        "cut.parquet: expected a part": [one, cut, three],
        "nowhere.parquet: no such file": [one, tmp_path / "nowhere.parquet"],
        "at least one part": [],
    }
    for message, paths in cases.items():
        with pytest.raises(PartError, match=message):
            lipzoo.join_certificates(paths)
    with pytest.raises(TypeError, match="paths of all parts"):
        lipzoo.join_certificates(one)


def test_a_part_that_was_altered_is_refused(tmp_path):
    """Wherever a radius stands in the file: beside the values there are statistics of them."""
    paths = [_part(tmp_path / f"{number}.parquet", number) for number in (1, 2, 3)]
    content, refused = paths[1].read_bytes(), 0
    for found in re.finditer(re.escape(np.float64(1 / 3).tobytes()), content):
        altered = bytearray(content)
        altered[found.start()] ^= 1
        paths[1].write_bytes(altered)
        try:
            _same(lipzoo.join_certificates(paths), _columns())
        except PartError as error:
            refused += str(error).startswith(f"{paths[1]}: expected a part")
    assert refused


def test_without_pyarrow_the_way_to_it_is_told_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"--out: Parquet needs pyarrow: pip install .*\[data\]"):
        check_out(tmp_path / "radii.parquet", "--out")


def test_a_csv_file_is_what_the_csv_module_writes():
    """Cells that need quotes, more numbers than a table has, and rows that are left out."""
    columns = _columns()
    report = Certified(TERMS, columns, left_out=(LeftOut(*LEFT_OUT[0]),)).report(0.2)
    rows = [*csv.DictReader(io.StringIO(report.to_csv()))]
    assert [row["example"] for row in rows] == ["0", "1", "", *"23456"]
    assert rows[2] | {"row": "4", "left_out": "no label"} == rows[2]
    kept = [row for row in rows if row["example"]]
    assert [float(row["radius"]) for row in kept] == columns["radius"].tolist()
    names = [TERMS.class_names[i] for i in columns["prediction"]]
    assert [row["class"] for row in kept] == names
    assert [row["rival"] for row in kept] == ["1", "0", "1", "", "0", "1", ""]
    assert few_texts(np.array([5, 2**40]), str) == ["5", str(2**40)]
    for text in ("a,b", 'a"b', "a\nb", " a", "", "plain"):
        (row,) = csv.reader(io.StringIO(f"{cell(text)},x\n", newline=""), strict=True)
        assert row == [text, "x"]


def test_parts_state_json_that_is_read_again(tmp_path):
    path = _part(tmp_path / "one.parquet", 1)
    part = read_part(path)
    assert part.settings == json.loads(json.dumps(_settings()))
    assert part.terms == TERMS
