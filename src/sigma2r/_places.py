"""What lies where a file or a folder belongs: that, or nothing; whatever else lies there is told and left alone.

A folder in the place of a file, a file in the place of a folder, a pipe, a socket, a device, a link that leads nowhere
or in a circle: none of these is opened, moved or overwritten, or taken for a file that is missing.
"""

import errno
import os
import stat
from pathlib import Path

FILE, _FOLDER = "a file", "a folder"
_KINDS = ((stat.S_ISREG, FILE), (stat.S_ISDIR, _FOLDER), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
_LEADS_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class WrongKindError(ValueError):
    """Something of another kind lies where a file or a folder belongs."""


def is_file(path: Path) -> bool:
    """Whether a file lies where one belongs; if not, nothing does.

    Raises:
        WrongKindError: Naming what lies there instead, or in the place of one of its folders.
    """
    return _is(path, FILE)


def is_folder(path: Path) -> bool:
    """Whether a folder lies where one belongs; if not, nothing does.

    Raises:
        WrongKindError: Naming what lies there instead, or in the place of one of its folders.
    """
    return _is(path, _FOLDER)


def _is(path: Path, wanted: str) -> bool:
    kind = kind_of(path)
    if kind is None and path.parent != path:
        is_folder(path.parent)  # nothing can lie in what is no folder
    if kind not in (None, wanted):
        raise WrongKindError(f"files: {path} must be {wanted}; it is {kind}. Move it away, or choose another place.")
    return kind is not None


def kind_of(path: Path) -> str | None:
    """What lies at a path, behind links if it is one: :data:`FILE`, a folder, a pipe...; None where nothing does.

    Raises:
        OSError: If the system does not tell.
    """
    try:
        is_link = stat.S_ISLNK(path.lstat().st_mode)
    except OSError as error:
        if error.errno in _LEADS_NOWHERE:
            return None
        raise
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if is_link and error.errno in _LEADS_NOWHERE:
            return "a link that leads in a circle" if error.errno == errno.ELOOP else "a link that leads nowhere"
        raise
    return next((kind for holds, kind in _KINDS if holds(mode)), "a device")


def in_words(error: OSError) -> str:
    """What the system says of a path, in a sentence that names the path and what lies there.

    Example:
        >>> in_words(OSError(28, "No space left on device", "runs/record.json"))
        'files: runs/record.json cannot be used: no space left on device.'
    """
    if error.filename is None or not error.strerror:
        return str(error)
    path = Path(os.fsdecode(error.filename))
    told = f"files: {path} cannot be used: {error.strerror[0].lower()}{error.strerror[1:]}"
    try:
        kind = kind_of(path)
    except OSError:
        kind = None
    return f"{told}." if kind in (None, FILE) else f"{told}; it is {kind}."
