"""Which files of a folder are a report's: others are never overwritten, and of an older report none stays behind."""

import hashlib
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sigma2r._files import make_folder, write_whole
from sigma2r._places import is_file, is_folder
from sigma2r.studies.apart import refuse_within_data
from sigma2r.studies.run import Run

PAGE = "report.html"
FIGURES = "figures"
TABLES = "tables"
LIST = "report.sha256"
"""The files of the last report with their content's SHA-256, as ``sha256sum`` writes and checks them."""

MARK = '<meta name="generator" content="sigma2r">'
"""What the head of a page holds, so that it is known as ours where the list is lost."""

# How pages began that had neither mark nor list.
_UNMARKED = (
    b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
    b'content="default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-'
)
_HEAD = 2000  # bytes, in which the mark stands


@dataclass(frozen=True)
class Kind:
    """A kind of report, of which a folder holds one: several kinds may share a folder.

    Args:
        page: Its HTML file.
        list: The files of the last one with their content's SHA-256, as ``sha256sum`` writes and checks them.
        beside: Other files of it.
        folders: Folders within which it has files of any name.
    """

    page: str
    list: str
    beside: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def line(self) -> re.Pattern[str]:
        """What a line of the list looks like: nothing else is taken for ours."""
        files = "|".join(re.escape(name) for name in (self.page, *self.beside))
        within = "".join(rf"|{name}/(?!\.)[^/\\]+" for name in self.folders)
        return re.compile(rf"([0-9a-f]{{64}})  ({files}{within})")


REPORT = Kind(PAGE, LIST, folders=(TABLES, FIGURES))

Listed = dict[str, set[str]]
"""Files by their path within the folder, each with the hashes of what a report wrote or was about to write."""


def write_files(files: Mapping[str, bytes], folder: Path, kind: Kind = REPORT) -> None:
    """Write the files of a report, and remove those of an older one that it no longer writes.

    A file is ours if the list names it with the content that it has. Whatever else stands in the way is refused before
    anything is written; an older report's file that was changed since is left, and told.

    Args:
        files: Content by path within the folder, with ``/``: the page, and files in ``tables`` and ``figures``.
        folder: Made if it is missing.
        kind: Of report.

    Raises:
        ValueError: If a file that is not ours is in the way.
        OSError: If the folder cannot be written to; each file there is whole.
    """
    new = {name: {_hash(content)} for name, content in files.items()}
    make_folder(folder)
    with _alone(folder):
        refuse_foreign(folder, new, kind)
        old = _listed(folder, kind) or {}
        unlisted = kind is REPORT and not old and (folder / PAGE).exists()
        _write_list(folder, kind, {name: old.get(name, set()) | new.get(name, set()) for name in {**old, **new}})
        for name, content in files.items():
            path = folder / name
            if not path.exists() or path.read_bytes() != content:  # waiting for the disk takes longer than looking
                write_whole(path, content)
        _remove(folder, kind, {name: hashes for name, hashes in old.items() if name not in new})
        _write_list(folder, kind, new)
        if unlisted:
            _say_what_stays(folder, new)


def refuse_foreign(folder: Path, new: Mapping[str, Iterable[str]] | None = None, kind: Kind = REPORT) -> None:
    """Refuse a folder in which a report would overwrite what is not a report's.

    Args:
        folder: It need not be there.
        new: Hashes of what is to be written, by path; default: the page and what is beside it, which
            are known before there is anything to write.
        kind: Of report.

    Raises:
        ValueError: Naming the file, or what lies in the place of a file or folder.
    """
    new = dict.fromkeys((kind.page, *kind.beside), ()) if new is None else new
    for name in kind.folders:
        is_folder(folder / name)
    for name in (kind.list, *new):
        is_file(folder / name)
    listed = _listed(folder, kind)
    foreign = [] if listed is not None else [kind.list]
    taken = [name for name in new if os.path.lexists(folder / name)]
    if kind is REPORT and not listed and PAGE in taken and _is_unmarked(folder / PAGE):
        # It kept no list: files of the names that it gave them are taken to be its own.
        taken = [name for name in taken if not _is_regular(folder / name)]
    foreign += [name for name in taken if not _is_ours(folder, kind, name, {*(listed or {}).get(name, ()), *new[name]})]
    if foreign:
        more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
        raise ValueError(
            "report: a file that no report wrote, or that was changed since, is never overwritten; "
            f"{folder / foreign[0]}{more} is such a file. Move it away, or choose another --out."
        )


def refuse_among_images(folder: Path, runs: Iterable[Run], data_dir: Path | None = None) -> None:
    """Refuse a folder in which the figures of a report would be taken for images that its runs are trained on.

    Args:
        folder: It need not be there.
        runs: Of the report.
        data_dir: Where the files of their data sets lie, if that was said.

    Raises:
        ValueError: Naming the folder.
    """
    refuse_within_data(runs, data_dir, [folder, *(folder / name for name in (TABLES, FIGURES))])


def _is_ours(folder: Path, kind: Kind, name: str, hashes: set[str]) -> bool:
    path = folder / name
    if not _is_regular(path):
        return False
    content = path.read_bytes()
    if name == kind.page and not (folder / kind.list).exists():
        return MARK.encode() in content[:_HEAD]
    return _hash(content) in hashes


def _is_unmarked(page: Path) -> bool:
    return _is_regular(page) and page.read_bytes().startswith(_UNMARKED)


def _is_regular(path: Path) -> bool:
    """Whether it is a file of its own: a report writes no links, and a pipe would not let us read."""
    return path.is_file() and not path.is_symlink()


def _listed(folder: Path, kind: Kind) -> Listed | None:
    """What the list holds; nothing where there is none, None where it is no list of ours."""
    path = folder / kind.list
    if not os.path.lexists(path):
        return {}
    if not _is_regular(path):
        return None
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return None
    listed: Listed = {}
    for line in map(kind.line.fullmatch, text.removesuffix("\n").split("\n")):
        if line is None:
            return None
        listed.setdefault(line[2], set()).add(line[1])
    return listed or None


def _write_list(folder: Path, kind: Kind, listed: Mapping[str, Iterable[str]]) -> None:
    lines = [f"{each}  {name}\n" for name, hashes in sorted(listed.items()) for each in sorted(hashes)]
    write_whole(folder / kind.list, "".join(lines).encode())


def _remove(folder: Path, kind: Kind, old: Listed) -> None:
    there = [name for name in old if os.path.lexists(folder / name)]
    kept = [name for name in there if not _is_ours(folder, kind, name, old[name])]
    for name in there:
        if name not in kept:
            (folder / name).unlink()
    for name in {Path(name).parts[0] for name in there if name not in kept}:
        with suppress(OSError):  # other files are in it
            (folder / name).rmdir()
    if kept:
        warnings.warn(
            f"report: {', '.join(kept)} of an older report in {folder} were changed since, and stay.", stacklevel=5
        )


def _say_what_stays(folder: Path, new: Mapping[str, object]) -> None:
    beside = [path for name in (TABLES, FIGURES) for path in (folder / name).glob("*.*")]
    others = [path for path in beside if path.relative_to(folder).as_posix() not in new]
    if others:
        warnings.warn(
            f"report: the older report in {folder} left no list of its files; {len(others)} files of other names stay "
            f"in its {TABLES} and {FIGURES}.",
            stacklevel=5,
        )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One report at a time in a folder, where the system can tell; it leaves no file behind."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a network drive that knows no locks of folders
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
