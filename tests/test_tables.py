"""Tables are read as their owners meant them, or refused with the doubt and the way out."""

import bz2
import codecs
import csv
import gzip
import io
import itertools
import lzma
import zipfile

import numpy as np
import pytest

from lipzoo.data.dataset import load_data
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import DataError, read_source
from lipzoo.data.sources import table_text as table_text_module
from lipzoo.data.sources import tables as tables_module


def _read(path, **settings):
    return read_source(str(path), DataSettings(str(path), **settings)).train


# Text, settings; numbers, labels, lines; lines left out.
X = [[1.5, 2], [3, -4.25]]
READ = {
    "comma": ("1.5,2,a\n3,-4.25,b\n", {}, X, "ab", [1, 2], []),
    "no end of line": ("1.5,2,a\n3,-4.25,b", {}, X, "ab", [1, 2], []),
    "semicolon": ("1.5;2;a\n3;-4.25;b\n", {}, X, "ab", [1, 2], []),
    "tab": ("1.5\t2\ta\n3\t-4.25\tb\n", {}, X, "ab", [1, 2], []),
    "bar": ("1.5|2|a\n3|-4.25|b\n", {}, X, "ab", [1, 2], []),
    "white space": ("1.5  2 a\n 3 -4.25   b\n", {}, X, "ab", [1, 2], []),
    "blank after comma": ("1.5, 2, a\n3, -4.25, b\n", {}, X, "ab", [1, 2], []),
    "blanks around": ("1.5 , 2 ,a \n3 , -4.25, b\n", {}, X, "ab", [1, 2], []),
    "decimal comma": ("1,5;2;a\n3;-4,25;b\n", {}, X, "ab", [1, 2], []),
    "decimal comma, tab": ("1,5\t2\ta\n3\t-4,25\tb\n", {}, X, "ab", [1, 2], []),
    "decimal comma in quotes": ('"1,5",2,a\n3,"-4,25",b\n', {}, X, "ab", [1, 2], []),
    "header": ("u,v,class\n1.5,2,a\n3,-4.25,b\n", {}, X, "ab", [2, 3], []),
    "header of chemistry": ("Na,v,class\n1.5,2,a\n3,-4.25,b\n", {}, X, "ab", [2, 3], []),
    "header stated": (
        "1,2,3\n1.5,2,a\n3,-4.25,b\n", {"header": True}, X, "ab", [2, 3], []),
    "no header stated": (
        "1,2,3\n1.5,2,7\n3,-4.25,7\n", {"header": False}, [[1, 2], *X], [3, 7, 7], [1, 2, 3], []),
    "label first": ("a,1.5,2\nb,3,-4.25\n", {"label": "first"}, X, "ab", [1, 2], []),
    "label by name": (
        "u,c,v\n1.5,a,2\n3,b,-4.25\n", {"label": "c"}, X, "ab", [2, 3], []),
    "label by number": ("1.5,a,2\n3,b,-4.25\n", {"label": 2}, X, "ab", [1, 2], []),
    "label none": ("u,v\n1.5,2\n3,-4.25\n", {"label": "none"}, X, None, [2, 3], []),
    "columns": (
        "v,n,u,c\n2,x,1.5,a\n-4.25,y,3,b\n", {"columns": ("u", "v")}, X, "ab", [2, 3], []),
    "columns by number": (
        "2,x,1.5,a\n-4.25,y,3,b\n", {"columns": (3, 1), "header": False}, X, "ab", [1, 2], []),
    "ignore": (
        ",u,v,c\n0,1.5,2,a\n1,3,-4.25,b\n", {"ignore": ("",)}, X, "ab", [2, 3], []),
    "ignored text": (
        "n,u,v,c\nx,1.5,2,a\ny,3,-4.25,b\n", {"ignore": ("n",)}, X, "ab", [2, 3], []),
    "byte order mark": ("\ufeff1.5,2,a\n3,-4.25,b\n", {}, X, "ab", [1, 2], []),
    "windows": ("u,v,c\r\n1.5,2,a\r\n3,-4.25,b\r\n", {}, X, "ab", [2, 3], []),
    "old mac": ("u,v,c\r1.5,2,a\r3,-4.25,b\r", {}, X, "ab", [2, 3], []),
    "blank lines": ("\n1.5,2,a\n\n  \n3,-4.25,b\n\n\n", {}, X, "ab", [2, 5], []),
    "only delimiters": ("1.5,2,a\n,,\n3,-4.25,b\n,,\n", {}, X, "ab", [1, 3], []),
    "quotes": ('"u","v","c"\n"1.5","2","a"\n3,"-4.25",b\n', {}, X, "ab", [2, 3], []),
    "quoted delimiter": ('1.5,2,"a, b"\n3,-4.25,c\n', {}, X, ["a, b", "c"], [1, 2], []),
    "quoted line end": ('1.5,2,"a\nb"\n3,-4.25,c\n', {}, X, ["a\nb", "c"], [1, 3], []),
    "quoted quote": ('1.5,2,"a""b"\n3,-4.25,c\n', {}, X, ['a"b', "c"], [1, 2], []),
    "comments": (
        "# made by hand\n1.5,2,a\n# more\n3,-4.25,b\n", {"comment": "#"}, X, "ab", [2, 4], []),
    "no comment": ("#u,v,c\n1.5,2,a\n3,-4.25,b\n", {"comment": ""}, X, "ab", [2, 3], []),
    "missing": (
        "1.5,2,a\n?,1,a\n3,-4.25,b\n1,,b\n", {"missing": "drop"}, X, "ab", [1, 3], [2, 4]),
    "missing words": (
        "u,v,c\nNA,1,a\n1.5,2,a\nnan,1,a\nNaN,1,a\n3,-4.25,b\n1,N/A,b\nnull,1,a\n1,None,a\n"
        "1, ?,b\n",
        {"missing": "drop"}, X, "ab", [3, 6], [2, 4, 5, 7, 8, 9, 10]),
    "missing label": (
        "1.5,2,a\n1,1,\n3,-4.25,b\n1,1,nan\n1,1,?\n", {"missing": "drop"}, X, "ab", [1, 3],
        [2, 4, 5]),
    "missing after a blank line": (
        "u,v,c\n1.5,2,a\n\n?,1,a\n\n3,-4.25,b\n", {"missing": "drop"}, X, "ab", [2, 6], [4]),
    "a code for missing": (
        "1.5,2,a\n-9,1,a\n3,-4.25,b\n", {"missing": "drop", "missing_values": ("-9",)}, X, "ab",
        [1, 3], [2]),
    "a code for missing in other notations": (
        "1.5,2,a\n-9.0,1,a\n3,-4.25,b\n1,-90e-1,b\n",
        {"missing": "drop", "missing_values": ("-9",)}, X, "ab", [1, 3], [2, 4]),
    "infinity is missing": (
        "1.5,2,a\ninf,1,a\n3,-4.25,b\n", {"missing": "drop", "missing_values": ("inf",)}, X, "ab",
        [1, 3], [2]),
    "None is a class": (
        "1.5,2,None\n3,-4.25,b\n", {"label_names": {"None": "no disorder", "b": "b"}}, X,
        ["None", "b"], [1, 2], []),
    "NA stated as missing": (
        "1.5,2,a\n1,1,NA\n3,-4.25,b\n", {"missing": "drop", "missing_values": ("NA",)}, X, "ab",
        [1, 3], [2]),
    "whole labels": ("1.5,2,-1\n3,-4.25,10\n", {}, X, [-1, 10], [1, 2], []),
    "whole labels with a point": (
        "1.5,2,1.0\n3,-4.25,2.000e+00\n", {}, X, [1, 2], [1, 2], []),
    "labels with a zero": ("1.5,2,01\n3,-4.25,02\n", {}, X, ["01", "02"], [1, 2], []),
    "labels that look true": ("1.5,2,True\n3,-4.25,False\n", {}, X, ["True", "False"], [1, 2], []),
    "floating notation": ("15e-1,+2.,a\n.3E1,-4.25,b\n", {}, X, "ab", [1, 2], []),
    "one example": ("1.5,2,a\n", {}, X[:1], "a", [1], []),
    "accents": ("1.5,2,é\n3,-4.25,日本\n", {}, X, ["é", "日本"], [1, 2], []),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_tables_are_read_as_they_are_meant(tmp_path, name):
    text, settings, x, labels, lines, left_out = READ[name]
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    split = _read(path, **settings)
    np.testing.assert_array_equal(split.x, np.array(x, "float32"))
    assert split.x.dtype == np.float32
    assert (split.labels if labels is None else split.labels.tolist()) == (labels and [*labels])
    assert split.origin.tolist() == lines
    assert [entry.origin for entry in split.left_out] == left_out
    # Cut off at the lines that are said to be left out, the file is the same without them.
    for entry in split.left_out:
        assert entry.position == sum(line < entry.origin for line in lines)


@pytest.mark.parametrize("name", READ)
def test_both_ways_of_reading_agree(tmp_path, monkeypatch, name):
    text, settings, *_ = READ[name]
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    usual = _read(path, **settings)

    def in_doubt(*_):
        raise tables_module._InDoubtError

    monkeypatch.setattr(tables_module, "_plain", in_doubt)
    slow = _read(path, **settings)
    np.testing.assert_array_equal(slow.x, usual.x)
    assert slow.origin.tolist() == usual.origin.tolist()
    assert slow.left_out == usual.left_out
    assert slow.labels is usual.labels or slow.labels.tolist() == usual.labels.tolist()


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zip"])
def test_compressed_tables(tmp_path, ending):
    content = b"u,v,c\n1.5,2,a\n3,-4.25,b\n"
    path = tmp_path / f"a.csv.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.csv", content)
    else:
        compress = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[ending]
        path.write_bytes(compress(content))
    split = _read(path)
    np.testing.assert_array_equal(split.x, X)
    assert split.origin.tolist() == [2, 3]
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match="cannot be read"):
        _read(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_encodings_with_a_mark(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("u\tv\tc\n1.5\t2\té\n3\t-4.25\tb\n".encode(encoding))
    split = _read(path)
    np.testing.assert_array_equal(split.x, X)
    assert split.labels.tolist() == ["é", "b"]
    path.write_bytes("u\tv\tc\n1.5\t2\té\n3\t-4.25\tb\n".encode("latin-1"))
    with pytest.raises(DataError, match="expected text in UTF-8"):
        _read(path)


NUMBERS = "".join(f"{i + 0.5},{i * i},{'ab'[i % 2]}\n" for i in range(12))
# Text, settings, what the error says.
REFUSED = {
    "0 to n - 1": ("0,1,2,3\n.5,.1,.2,0\n.1,.4,.2,1\n", {}, "count up evenly.*header = true"),
    "years": ("2001,2003,2004,0\n1,7,3,a\n4,1,3,b\n", {}, "not written as the labels are"),
    "wavelengths": (
        "400.0,402.5,405,410,412,415,418,421.5,0\n" + "1,3,2,5,4,7,6,9,0\n9,1,2,5,4,7,6,9,1\n" * 2,
        {}, "rise or fall from one to the next"),
    "whole among fractions": ("3,1,0\n.5,.2,0\n.5,.25,1\n1.5,.2,0\n", {}, "whole numbers, as in"),
    "half a header": ("u,7,c\n1,2,a\n3,4,b\n", {}, "some entries are numbers and 'u' is none"),
    "first label alone": (
        "9.5,7.25,9\n" + "".join(f"{i}.5,{-i},{i % 2}\n" for i in range(12)), {},
        "no other has its label, '9'"),
    "comment": ("# u,v,c\n1,2,a\n", {}, 'comment = "#"'),
    "pandas index": (",u,c\n" + "".join(f"{i},.{i},a\n" for i in range(5)), {}, "ignore = .\"\"."),
    "identifier": ("Id,u,c\n17,.5,a\n3,.6,a\n9,.1,b\n", {}, 'ignore = ."Id"'),
    "counted rows": (
        "".join(f"{i},{i * 7 % 5}.5,{'ab'[i % 2]}\n" for i in range(20)), {}, "ignore = .1. in"),
    "shuffled index": (
        "".join(f"{i * 7 % 20},{i * 3 % 5}.5,{'ab'[i % 2]}\n" for i in range(20)), {}, "ignore"),
    "two delimiters": ("1,2;3\n4,5;6\n", {}, "separated by ',' or ';'. Set delimiter"),
    "thousands": ("1,500;2,100;a\n3,200;1,250;b\n", {}, "',' may be a decimal mark or"),
    "thousands with points": ("1.500;2;a\n3.200;1;b\n", {}, "'.' may be a decimal mark"),
    "decimal comma below": ("1;2;a\n" * 20000 + "1,5;2;a\n", {}, "row 20001, column 1.*'1,5'"),
    "short row": ("1,2,a\n3,b\n", {}, "row 2: expected 3 entries. Received: 2"),
    "short row below": ("1.5,2,a\n" * 9000 + "3,4\n", {}, "row 9001: expected 3 entries.*2"),
    "long row below": ("1.5,2,a\n" * 9000 + "3,4,a,b\n", {}, "row 9001: expected 3.*4"),
    "trailing comma": ("u,v,c\n1,2,a,\n3,4,b,\n", {}, "row 2: expected 3 entries. Received: 4"),
    "missing": ("1.5,2,a\n1,,b\n", {}, 'row 2: an entry is missing.*missing = "drop"'),
    "missing label": ("1.5,2,a\n1,1,\n", {}, "row 2: an entry is missing .no entry in column 3"),
    "a class None": ("1.5,2,a\n1,1,None\n", {}, "'None' may be a class or a missing entry"),
    "infinite": ("u,v,c\n1.5,2,a\n1,-inf,b\n", {}, "row 3, column 'v': expected a finite number"),
    "beyond float32": ("1.5,2,a\n1,1e39,b\n", {}, "row 2, column 2: .*that float32 has"),
    "64 bits": (
        "u,v,c\n1.5,2,a\n1,9007199254740993,b\n", {}, "row 3, column 'v'.*9007199254740993"),
    "beyond 64 bits": ("1.5,2,a\n1,36893488147419103233,b\n", {}, "row 2, column 2.*whole"),
    "just beyond 2^24": ("1.5,2,a\n1,16777217,b\n", {}, "16777217, which becomes 16777216"),
    "date": ("1.5,2,a\n1,2020-01-01,b\n", {}, "row 2, column 2: expected a number.*'2020-01-01'"),
    "true": ("1.5,2,a\n1,True,b\n", {}, "row 2, column 2: expected a number. Received: 'True'"),
    "text": ("u,v,c\n1.5,x,a\n1,y,b\n", {}, "row 2, column 'v'.*'x'.*ignore"),
    "underscore": ("1.5,1_000,a\n1,2,b\n1,2,b\n", {}, "row 1|1_000"),
    "hexadecimal": ("1.5,2,a\n1,0x10,b\n", {}, "row 2, column 2.*'0x10'"),
    "targets that are no classes": ("1,2,0.5\n3,4,0.7\n", {}, "expected whole numbers or text"),
    "1 and 01": ("1.5,2,1\n3,4,01\n", {}, "are the same number and may be the same class"),
    "no such label": ("u,v,c\n1,2,a\n", {"label": "d"}, "label: expected one column 'd'"),
    "two columns of a name": ("u,u,c\n1,2,a\n", {"columns": ("u",)}, "several columns"),
    "label among the columns": ("u,v,c\n1,2,a\n", {"columns": ("u", "c")}, "without the label"),
    "no such number": ("1,2,a\n3,4,b\n", {"ignore": (4,)}, "from 1 to 3. Received: 4"),
    "nothing": ("", {}, "no text"),
    "only a header": ("u,v,c\n", {}, "below the header"),
    "one column": ("1\n2\n", {}, "expected rows with numbers and a label"),
    "all incomplete": ("?,2,a\n3,?,b\n", {"missing": "drop"}, "without missing entries"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_in_doubt_is_refused_with_the_doubt(tmp_path, name):
    text, settings, message = REFUSED[name]
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        _read(path, **settings)


def test_no_doubt_about_examples_that_are_plain(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(NUMBERS)
    assert len(_read(path)) == 12
    # A feature may count the rows, if the recipe says so.
    path.write_text("".join(f"{i},{i % 3}.5,{'ab'[i % 2]}\n" for i in range(20)))
    np.testing.assert_array_equal(_read(path, columns=("*",)).x[:, 0], np.arange(20))


def test_numbers_are_those_of_python_and_lines_those_of_csv(tmp_path, monkeypatch):
    """A long file in many pieces, with blank lines and quotes, beside Python's own reader."""
    monkeypatch.setattr(tables_module, "_PIECE", 2**10)
    monkeypatch.setattr(table_text_module, "_PIECE", 997)
    generator = np.random.default_rng(3)
    numbers = generator.normal(size=(3000, 4)) * 10.0 ** generator.integers(-30, 30, (3000, 4))
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        for i, row in enumerate(numbers):
            digits = int(generator.integers(3, 25))
            entries = [f"{v:.{digits}e}" for v in row]
            name = f'"class\n{i % 3}"' if i % 50 == 0 else f"c{i % 3}"
            file.write(",".join([*entries, name]) + ("\r\n" if i % 7 else "\n\n"))
    split = _read(path)
    with path.open(newline="") as file:
        reader, before, expected, labels, lines = csv.reader(file), 0, [], [], []
        for row in reader:
            if row:
                expected.append([float(entry) for entry in row[:-1]])
                labels.append(row[-1])
                lines.append(before + 1)
            before = reader.line_num
    np.testing.assert_array_equal(split.x, np.array(expected).astype("float32"))
    assert split.labels.tolist() == labels
    assert split.origin.tolist() == lines


STORED = {
    "utf-8": lambda text: text.encode(),
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "utf-16, little end first": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "gzip": lambda text: gzip.compress(text.encode()),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("comment", ["", "§"])
@pytest.mark.parametrize("stored", STORED)
def test_a_table_in_pieces_is_what_csv_reads(tmp_path, monkeypatch, stored, comment, end):
    """Pieces end within characters, line ends, quotes, marks and comments."""
    rows = [f'{i}.25,{-i}e-3,"Größe\n日{i % 3}"' for i in range(60)]
    rows[30:30] = [f"{comment} made by händ" if comment else "", "", '7.5,"0.125",plain', "  "]
    text = end.join(["u,v,clässe", *rows])
    path = tmp_path / ("a.csv.gz" if stored == "gzip" else "a.csv")
    path.write_bytes(STORED[stored](text))
    read_some = table_text_module.TableText.read
    sizes = itertools.cycle([1, 2, 3, 5, 7, 11])
    monkeypatch.setattr(
        table_text_module.TableText, "read", lambda self, _=0: read_some(self, next(sizes))
    )
    split = _read(path, comment=comment)
    kept = [line for line in text.split(end) if not comment or not line.startswith(comment)]
    blanked = end.join(line if line in kept else "" for line in text.split(end))
    reader, before, expected = csv.reader(io.StringIO(blanked, newline="")), 0, []
    for row in reader:
        if len(row) > 1:
            expected.append((before + 1, row))
        before = reader.line_num
    expected = expected[1:]
    assert len(expected) == 61
    numbers = [[float(entry) for entry in row[:2]] for _, row in expected]
    np.testing.assert_array_equal(split.x, np.array(numbers, "float32"))
    assert split.labels.tolist() == [row[2] for _, row in expected]
    assert split.origin.tolist() == [line for line, _ in expected]
    assert split.feature_names == ("u", "v")


@pytest.mark.parametrize(
    "content",
    [
        b"1.5,2,a\n3,4,b\xc3",
        b"u,n,v,c\n" + b"1.5,x,2,a\n" * 40000 + b"3,\xe9,4,b\n",
        codecs.BOM_UTF16_LE + "1.5,2,a\n3,4,b\n".encode("utf-16-le")[:-1],
        codecs.BOM_UTF16_LE + "1.5,2,a\n3,4,".encode("utf-16-le") + b"\x00\xd8",
    ],
    ids=["cut within a character", "in a column left out", "odd", "half a pair"],
)
def test_what_is_no_text_is_refused(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match="expected text in UTF-8"):
        _read(path, **({"ignore": ("n",)} if b"n" in content else {}))


@pytest.mark.parametrize("text", ["a,1.5,x\nb,2.5,y\n", "a,1.5,\nb,2.5,y\n"])
def test_a_last_column_that_is_left_out(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    settings = {"label": "first", "ignore": (3,), "header": False}
    split = _read(path, **settings)
    assert (split.x.tolist(), split.labels.tolist()) == ([[1.5], [2.5]], ["a", "b"])
    path.write_text(text * 9000 + "a,1.5\n")
    with pytest.raises(DataError, match=r"row 18001: expected 3 entries. Received: 2"):
        _read(path, **settings)


@pytest.mark.parametrize("word", ["True", "FALSE", "2020-01-01", "1+2j", "0x1F"])
def test_a_piece_of_a_column_that_is_no_number(tmp_path, monkeypatch, word):
    """pandas finds the type of each piece by itself: each may be another one."""
    monkeypatch.setattr(tables_module, "_PIECE", 2**9)
    path = tmp_path / "a.csv"
    path.write_text("1.5,2,a\n" * 9000 + f"1.5,{word},a\n" * 100)
    with pytest.raises(DataError, match=r"row 9001, column 2: expected a number. Received: "):
        _read(path)


def test_examples_keep_their_rows_through_every_cut(tmp_path):
    path = tmp_path / "a.csv"
    generator = np.random.default_rng(0)
    rows = [[f"{v:.4f}" for v in row] for row in generator.normal(size=(60, 2))]
    rows[7][0] = "?"
    path.write_text("u,v,c\n" + "".join(f"{u},{v},{i % 2}\n" for i, (u, v) in enumerate(rows)))
    data = load_data(DataSettings(str(path), missing="drop"))
    assert "1 row of a.csv left out: row 9 (no entry in column 'u')" in data.notes
    for split in (data.train, data.validation, data.test):
        for x, y, line in zip(split.x, split.y, split.origin, strict=True):
            assert x.tolist() == [float(np.float32(v)) for v in rows[line - 2]]
            assert y == (line - 2) % 2


def test_train_and_test_file_have_the_same_columns(tmp_path):
    rows = "".join(f"{i}.5,{i * 7 % 11}.25,{'ab'[i % 2]}\n" for i in range(20))
    (tmp_path / "a.csv").write_text("u,v,c\n" + rows)
    (tmp_path / "b.csv").write_text("v,u,c\n" + rows)
    settings = DataSettings(str(tmp_path / "a.csv"), test=str(tmp_path / "b.csv"))
    with pytest.raises(DataError, match=r"expected columns \['u', 'v'\].*\['v', 'u'\]"):
        load_data(settings)


def _parquet(path, columns):
    from pyarrow import parquet, table

    parquet.write_table(table(columns), path)
    return path


def test_parquet_tables(tmp_path):
    import pyarrow as pa

    columns = {
        "whole": pa.array([1, None, 2**24, -7], pa.int64()),
        "half": pa.array([0.5, 1.5, 2.25, 4.0], pa.float16()),
        "money": pa.array([None if v is None else v for v in (1, 2, 3, 4)], pa.decimal128(10, 2)),
        "kind": pa.array(["01", "b", "b", "01"]).dictionary_encode(),
    }
    path = _parquet(tmp_path / "a.parquet", columns)
    with pytest.raises(DataError, match=r"row 2: .*no entry in column 'whole'"):
        _read(path)
    split = _read(path, missing="drop")
    np.testing.assert_array_equal(split.x, [[1, 0.5, 1], [2**24, 2.25, 3], [-7, 4, 4]])
    assert (split.labels.tolist(), split.origin.tolist()) == (["01", "b", "01"], [1, 3, 4])
    assert split.feature_names == ("whole", "half", "money")
    other = _read(path, missing="drop", label="whole", columns=("half",), label_names={})
    assert other.labels.tolist() == [1, 2**24, -7]
    np.testing.assert_array_equal(_read(path, missing="drop", ignore=("whole",)).x[:, 0],
                                  [0.5, 1.5, 2.25, 4])  # fmt: skip


def test_an_index_that_pandas_stored_is_no_feature(tmp_path):
    import pandas

    frame = pandas.DataFrame({"u": [0.5, 1.5], "c": ["a", "b"]}, index=[17, 3])
    frame.to_parquet(tmp_path / "a.parquet")
    split = _read(tmp_path / "a.parquet")
    np.testing.assert_array_equal(split.x, [[0.5], [1.5]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2**53 + 1], "row 2, column 'u': expected whole numbers that float32 has"),
        ([1.0, float("inf")], "row 2, column 'u': expected a number that float32 has"),
        ([1.0, 1e39], "row 2, column 'u': expected a number that float32 has"),
        ([True, False], "column 'u': expected numbers.*type bool"),
        (["x", "y"], "column 'u': expected numbers.*type string"),
        (np.array(["2020-01-01", "2021-01-01"], "datetime64[D]"), "'u'.*type date32"),
        ([[1], [2]], "column 'u'.*type list"),
    ],
)
def test_parquet_columns_that_are_no_numbers(tmp_path, values, message):
    with pytest.raises(DataError, match=message):
        _read(_parquet(tmp_path / "a.parquet", {"u": values, "v": [0.5, 1.5], "c": ["a", "b"]}))


def test_a_broken_parquet_file(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read"):
        _read(tmp_path / "a.parquet")
