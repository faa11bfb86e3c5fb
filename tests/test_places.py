"""What lies where a file or a folder belongs: told for what it is, and left alone."""

import errno
import os
import re
import socket
from pathlib import Path

import pytest

from sigma2r._files import make_folder, read_whole, set_aside, write_whole
from sigma2r._places import WrongKindError, in_words, is_file, is_folder


def a_socket(path: Path) -> None:
    """Bound from within its folder: names of sockets are short."""
    here = Path.cwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    os.chdir(here)


NEITHER = {
    "a pipe": os.mkfifo,
    "a socket": a_socket,
    "a device": lambda path: path.symlink_to("/dev/null"),
    "a link that leads nowhere": lambda path: path.symlink_to(path.parent / "nothing"),
    "a link that leads in a circle": lambda path: path.symlink_to(path.name),
}
NO_FILES = {
    "a folder": lambda path: (path / "of mine").mkdir(parents=True),
    **NEITHER,
}
NO_FOLDERS = {
    "a file": lambda path: path.write_text("mine"),
    **NEITHER,
}


def lying_in(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """All that lies in a folder: what kind it is, and what a file holds or a link names."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        inner = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        found[str(path.relative_to(folder))] = path.lstat().st_mode, inner
    return found


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("use", [is_file, read_whole, lambda path: write_whole(path, b"new")])
def test_what_lies_in_the_place_of_a_file_is_told_and_stays(tmp_path, kind, use):
    path = tmp_path / "record.json"
    NO_FILES[kind](path)
    before = lying_in(tmp_path)
    sentence = f"files: {path} must be a file; it is {kind}. Move it away, or choose another place."
    with pytest.raises(WrongKindError, match=f"^{re.escape(sentence)}$"):
        use(path)
    assert lying_in(tmp_path) == before


@pytest.mark.parametrize("kind", NO_FOLDERS)
@pytest.mark.parametrize("use", [is_folder, make_folder])
def test_what_lies_in_the_place_of_a_folder_is_told_and_stays(tmp_path, kind, use):
    path = tmp_path / "runs"
    NO_FOLDERS[kind](path)
    before = lying_in(tmp_path)
    sentence = f"files: {path} must be a folder; it is {kind}. Move it away, or choose another place."
    with pytest.raises(WrongKindError, match=f"^{re.escape(sentence)}$"):
        use(path)
    for below in ("mine", "deep/er/mine"):
        for uses in (is_file, is_folder, make_folder, read_whole, lambda path: write_whole(path, b"new")):
            with pytest.raises(WrongKindError, match=f"^{re.escape(sentence)}$"):
                uses(path / below)
    assert lying_in(tmp_path) == before


def test_what_is_there_is_there_links_included_and_the_rest_is_not(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("content")
    (tmp_path / "to a folder").symlink_to("folder")
    (tmp_path / "to a file").symlink_to("to a folder/file")
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "folder/file", Path("to a file"), Path("to a folder/file")):
        assert is_file(path)
        assert read_whole(path) == b"content"
    for path in (tmp_path, Path(), Path("folder"), Path("to a folder"), Path(os.sep)):
        assert is_folder(path)
    for path in (tmp_path / "none", Path("none"), Path("folder/none/at all"), Path(os.sep, "none at all", "x")):
        assert not is_file(path)
        assert not is_folder(path)
    with pytest.raises(FileNotFoundError):
        read_whole(Path("none"))
    make_folder(Path("to a folder/new/er"))
    write_whole(Path("to a folder/new/er/file"), b"new")
    assert (tmp_path / "folder/new/er/file").read_bytes() == b"new"


def test_a_name_that_is_taken_by_a_link_to_nothing_is_not_given_again(tmp_path):
    (tmp_path / "record.json.broken-1").symlink_to("nothing")
    (tmp_path / "record.json").write_text("{")
    assert set_aside(tmp_path / "record.json").name == "record.json.broken-2"
    assert (tmp_path / "record.json.broken-1").readlink() == Path("nothing")


def test_an_error_of_the_system_is_a_sentence(tmp_path):
    path = tmp_path / "x"
    path.mkdir()
    told = f"files: {path} cannot be used: is a directory; it is a folder."
    assert in_words(IsADirectoryError(errno.EISDIR, "Is a directory", str(path))) == told
    assert in_words(IsADirectoryError(errno.EISDIR, "Is a directory", os.fsencode(path))) == told
    full = OSError(errno.ENOSPC, "No space left on device", tmp_path / "y")
    assert in_words(full) == f"files: {tmp_path / 'y'} cannot be used: no space left on device."
    long = OSError(errno.ENAMETOOLONG, "File name too long", "x" * 999)
    assert in_words(long).endswith("x cannot be used: file name too long.")
    assert in_words(OSError("no such thing")) == "no such thing"
    assert in_words(OSError(errno.EIO, "Input/output error")) == "[Errno 5] Input/output error"
