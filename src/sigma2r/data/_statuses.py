"""Whether files are as they were, so that what was read of them need not be read again."""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sigma2r.data.names import shown

_SETTLED_S = 2.0  # a file written less long ago may be written again without a change of its times


def is_settled(newest: float) -> bool:
    """Whether files whose last change was then can be told by their statuses from what they become."""
    return time.time() - newest >= _SETTLED_S


class Statuses(NamedTuple):
    """What the file system tells of files.

    Args:
        state: A hash of where they lie, how large they are and when they changed.
        newest: When the last one did.
        twins: Paths that lead to one file, file by file.
    """

    state: bytes
    newest: float
    twins: list[list[Path]]


def statuses(paths: Sequence[Path]) -> Statuses:
    """Look at each file once.

    Raises:
        ValueError: Naming the file, if there is none.
    """
    digest, newest = hashlib.sha256(), 0.0
    first: dict[tuple[int, int], Path] = {}
    twins: dict[Path, list[Path]] = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise ValueError(f"folder: {shown(path)} must be a readable image: {error.strerror}.") from error
        what = (os.fsencode(path.absolute()), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        digest.update(repr(what).encode())
        newest = max(newest, status.st_ctime)
        known = first.setdefault((status.st_dev, status.st_ino), path)
        if known is not path:
            twins.setdefault(known, [known]).append(path)
    return Statuses(digest.digest(), newest, list(twins.values()))
