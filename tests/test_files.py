"""Files are whole or not there, however many write them and whatever goes wrong."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sigma2r._files import is_part, set_aside, write_whole


def test_a_file_is_written_whole_with_the_folders_that_it_needs(tmp_path):
    path = tmp_path / "a/b/file.bin"
    write_whole(path, b"old")
    write_whole(path, b"new\x00")
    assert path.read_bytes() == b"new\x00"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("breaks", ["os.fsync", "pathlib.Path.replace"])
def test_a_file_that_cannot_be_finished_leaves_the_old_one_and_nothing_else(tmp_path, monkeypatch, breaks):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(*_):
        raise OSError(28, "No space left")

    monkeypatch.setattr(breaks, full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"old")]


def test_content_is_on_the_disk_before_the_file_has_its_name(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    write_whole(path, b"old")
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda number: (seen.append(("sync", path.read_bytes(), os.fstat(number).st_size)), sync(number))
    )
    monkeypatch.setattr(Path, "replace", lambda part, to: (seen.append(("rename", part.name)), replace(part, to))[1])
    write_whole(path, b"newer")
    assert seen[:2] == [("sync", b"old", 5), ("rename", f".file.{os.getpid()}.part")]
    assert [(what, content) for what, content, *_ in seen[2:]] == [("sync", b"newer")]  # the folder, with the name


def test_what_other_writers_left_or_are_writing_stays(tmp_path):
    others = tmp_path / ".file.1.part"
    others.write_bytes(b"half")
    write_whole(tmp_path / "file", b"whole")
    assert others.read_bytes() == b"half"


def test_a_link_gives_way_and_what_it_led_to_stays(tmp_path):
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "file").symlink_to(tmp_path / "theirs")
    write_whole(tmp_path / "file", b"ours")
    assert (tmp_path / "theirs").read_bytes() == b"theirs"
    assert not (tmp_path / "file").is_symlink()


WRITER = """
import sys
from pathlib import Path
from sigma2r._files import is_part, set_aside, write_whole
for number in range(200):
    write_whole(Path(sys.argv[1]), sys.argv[2].encode() * (1000 + number))
"""


def test_processes_that_write_one_file_at_once_do_not_meet(tmp_path):
    path = tmp_path / "file"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter]) for letter in "abc"]
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            content = path.read_bytes()
            assert len(content) >= 1000
            assert len(set(content)) == 1
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_one_file_at_once_do_not_meet(tmp_path):
    failed = []

    def write(letter):
        try:
            for number in range(100):
                write_whole(tmp_path / "file", letter * (1000 + number))
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(set((tmp_path / "file").read_bytes())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


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
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "record.json.broken-1",
        "record.json.broken-2",
        "record.json.broken-3",
    ]
