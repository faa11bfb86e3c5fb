"""Files that are whole or not there, and files that cannot be used but must not be lost."""

import os
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import IO

from sigma2r._places import is_file, is_folder

_PART = ".part"


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        WrongKindError: If something else lies in the place of one of them.
        OSError: If it cannot be made.
    """
    is_folder(path)
    path.mkdir(parents=True, exist_ok=True)


def read_whole(path: Path) -> bytes:
    """What a file holds.

    Raises:
        WrongKindError: If something else lies there.
        OSError: If there is no file, or it cannot be read.
    """
    is_file(path)
    return path.read_bytes()


def write_whole(path: Path, content: bytes | Callable[[IO[bytes]], None]) -> None:
    """Write a file so that readers, a kill or a power cut find the old one or the new one.

    It is written beside the old one, as ``.NAME.WRITER.part``, synced and renamed; the file's folder is made if it is
    not there. What a killed writer leaves is removed by who owns the folder, and so knows that nobody is writing it.

    Args:
        path: The file.
        content: What it holds, or what writes that into an open file.

    Raises:
        WrongKindError: If something else lies there, or in the place of its folder.
        OSError: If the folder cannot be written to; an older file at ``path`` is then still whole.
    """
    is_file(path)
    make_folder(path.parent)
    part = path.with_name(f".{path.name}.{_writer()}{_PART}")
    try:
        with part.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _writer() -> int:
    """The number of the process, or of the thread where that is not its first: no two writers have one."""
    first = threading.current_thread() is threading.main_thread()
    return os.getpid() if first else threading.get_native_id()


def _sync_folder(folder: Path) -> None:
    """Let the disk know the new name too, where a system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_part(path: Path) -> bool:
    """Whether a file is what a kill left of one that was being written."""
    return path.name.startswith(".") and path.name.endswith(_PART)


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be used, so that nothing is lost; its new name."""
    aside = next(
        candidate
        for number in count(1)
        if not os.path.lexists(candidate := path.with_name(f"{path.name}.broken-{number}"))
    )
    return path.replace(aside)
