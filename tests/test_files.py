"""Files that are whole or not there, and files that are set aside."""

import pytest

from sigma2r._files import is_part, set_aside, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new/folder/file.txt"
    write_whole(path, b"first")
    write_whole(path, lambda file: file.write(b"second"))
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["file.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")

    def breaks(file):
        file.write(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_whole(path, breaks)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file.txt"]


def test_a_reader_finds_the_old_file_while_the_new_one_is_written(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    seen = []

    def looks(file):
        file.write(b"new")
        file.flush()
        seen.append(path.read_bytes())
        (part,) = (each for each in tmp_path.iterdir() if each != path)
        assert is_part(part)
        assert not is_part(path)

    write_whole(path, looks)
    assert (seen, path.read_bytes()) == ([b"old"], b"new")


def test_what_is_set_aside_is_kept_each_time_under_another_name(tmp_path):
    path = tmp_path / "record.json"
    for content in ("first", "second", "third"):
        path.write_text(content)
        aside = set_aside(path)
        assert aside.read_text() == content
        assert not path.exists()
    assert names(tmp_path) == ["record.json.broken-1", "record.json.broken-2", "record.json.broken-3"]
