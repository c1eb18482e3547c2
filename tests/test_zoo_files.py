import errno
import os

import pytest

from lipzoo_catalogue import files


@pytest.fixture
def full_disk(monkeypatch):
    """Every write fails as on a full disk, from the second file on."""
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


def snapshot(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_new_folder_appears_with_everything_in_it(tmp_path):
    files.write_folder(tmp_path / "parent" / "run", {"a": b"1", "b": b"2", "c": None})
    assert snapshot(tmp_path / "parent" / "run") == {"a": b"1", "b": b"2"}
    assert [path.name for path in (tmp_path / "parent").iterdir()] == ["run"]


def test_an_existing_folder_keeps_its_other_files(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("a", "b", "notes"):
        (folder / name).write_text("old")
    files.write_folder(folder, {"a": b"new", "b": None})
    assert snapshot(folder) == {"a": b"new", "notes": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_full_disk_leaves_everything_as_it_was(tmp_path, full_disk):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "a").write_text("old")
    with pytest.raises(OSError, match="which is unchanged: No space left on device"):
        files.write_folder(folder, {"a": b"new", "b": b"new"})
    assert snapshot(folder) == {"a": b"old"}
    with pytest.raises(OSError, match="No space left"):
        files.write_folder(tmp_path / "other", {"a": b"new", "b": b"new"})
    with pytest.raises(OSError, match="No space left"):
        files.write_file(folder / "a", b"new")
    assert snapshot(folder) == {"a": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_failure_between_two_files_is_undone(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "a").write_text("old a")
    (folder / "b").write_text("old b")
    replace = os.replace

    def refuse(source, target):
        if str(target) == str(folder / "b") and str(source).endswith("b"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match="which is unchanged: Permission denied"):
        files.write_folder(folder, {"a": b"new", "b": b"new", "c": b"new"})
    assert snapshot(folder) == {"a": b"old a", "b": b"old b"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(NotADirectoryError, match="which is a file"):
        files.write_folder(tmp_path / "run", {"a": b"1"})


def test_reading_checks_size_and_hash(tmp_path):
    path = tmp_path / "a.json"
    record = files.write_file(path, b"content")
    assert files.read_file(path, record) == b"content"
    path.write_bytes(b"c0ntent")
    with pytest.raises(ValueError, match=r"was altered: expected SHA-256 .* Received: "):
        files.read_file(path, record)
    path.write_bytes(b"conten")
    with pytest.raises(ValueError, match=r"expected 7 bytes\. Received: 6 bytes"):
        files.read_file(path, record)
    with pytest.raises(ValueError, match="too large: expected at most 3 bytes"):
        files.read_file(path, limit=3)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        files.read_file(tmp_path / "b.json")
    with pytest.raises(FileNotFoundError, match="to be a file"):
        files.read_file(tmp_path)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_bytes(b"{}")

    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(files.Path, "read_bytes", refuse)
    with pytest.raises(PermissionError, match=r"No permission to read '.*a\.json'"):
        files.read_file(path)
