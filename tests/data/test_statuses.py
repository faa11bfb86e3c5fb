"""Whatever happens to a file gives it another state; nothing else does."""

import os
import time

import pytest

from sigma2r.data._statuses import is_settled, statuses


def rewritten_as_of_old(path):
    """Other content of the same length, in place, with the time of before: as a tool that keeps times leaves it."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of a file system ticks
        path.write_bytes(b"other")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replaced(path):
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").replace(path)


def written_later(path):
    os.utime(path, ns=(0, 10**9))


@pytest.mark.parametrize(
    "change", [rewritten_as_of_old, replaced, written_later, lambda path: path.write_bytes(b"longer than before")]
)
def test_a_file_that_changed_has_another_state(tmp_path, change):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(b"image")
    before = statuses(paths)
    assert statuses(paths) == before
    change(paths[1])
    assert statuses(paths).state != before.state
    assert statuses(paths[:1]).state != statuses(paths[1:]).state


def test_files_are_settled_once_the_clock_has_gone_on():
    assert not is_settled(time.time())
    assert is_settled(time.time() - 60)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.png must be a readable image: No such file"):
        statuses([tmp_path / "gone.png"])
