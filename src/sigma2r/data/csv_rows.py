"""The rows of a csv file of images: path, label and, where the file says so, split; each refused by file and line."""

import csv
import io
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from sigma2r._absent import AbsentError
from sigma2r._places import is_file
from sigma2r._shown import listed
from sigma2r._suggest import near
from sigma2r.data.names import shown

SPLITS = ("train", "val", "test")
_NEEDED, _SPLIT = ("path", "label"), "split"


@dataclass(frozen=True)
class Row:
    """An image, as a line says it.

    Args:
        line: The number of the line, from 1.
        path: The image file.
        label: The name of its class.
        split: train, val or test; empty where the file has no such column.
    """

    line: int
    path: Path
    label: str
    split: str


class _Header(NamedTuple):
    """Where the columns are, and how many there are."""

    path: int
    label: int
    split: int | None
    cells: int


def read_rows(file: Path) -> list[Row]:
    """The rows of a file, each of whose images is there; of a row that repeats another the first counts.

    The file is text in UTF-8, with or without a mark in front, in Python's form of csv: commas, and quotes around what
    holds commas, quotes or ends of lines. Its header names the columns, in any order. Empty lines do not count.

    Args:
        file: Paths in it are relative to its folder.

    Raises:
        ValueError: If there is no file; naming file and line, if a row is no such row, its image is not there, or two
            rows contradict each other.
    """
    rows: dict[str, Row] = {}
    header: _Header | None = None
    repeated: list[int] = []
    for line, cells in _cells(file):
        if header is None:
            header = _header(file, line, cells)
            continue
        row = _row(file, line, cells, header)
        first = rows.setdefault(_same(row.path), row)
        if first is not row:
            _refuse_contradiction(file, first, row)
            repeated.append(line)
    if header is None:
        _refuse(file, 1, f"must be a header that names the columns {listed(_NEEDED)}; the file is empty")
    if not rows:
        _refuse(file, None, "must name images; it holds a header alone")
    if repeated:
        told = ", ".join(map(str, repeated[:3])) + ", ..." * (len(repeated) > 3)
        warnings.warn(
            f"csv: {shown(file)} names {len(repeated):,} image{'s' * (len(repeated) > 1)} again, which count once: "
            f"line {told}.",
            stacklevel=3,
        )
    return [*rows.values()]


def says_split(file: Path) -> bool:
    """Whether the header of a file names a column ``split``.

    Raises:
        ValueError: If it cannot be read.
    """
    return _SPLIT in next((cells for _, cells in _cells(file)), [])


def _cells(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The line on which each row begins, and its cells."""
    if not is_file(file):
        raise AbsentError(f"csv: {shown(file)} must be a csv file with the columns path and label; there is no file.")
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        _refuse(file, line, f"must be text in UTF-8; byte {content[error.start]:#04x} is not. Save it as UTF-8")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        _refuse(file, line, f"must be csv; {error}. Write a quote within quotes twice")


def _header(file: Path, line: int, cells: list[str]) -> _Header:
    known = (*_NEEDED, _SPLIT)
    missing = [name for name in _NEEDED if name not in cells]
    if missing:
        near_by = near(next((c for c in cells if c.strip().lower() in missing), ""), missing)
        separated = next((f" Separate columns by commas, not by {sign!a}." for sign in ";\t|" if sign in cells[0]), "")
        given = ",".join(cells)
        _refuse(
            file,
            line,
            f"must be a header that names the columns path and label, and split if there is one; it lacks "
            f"{listed(missing)} and is {shown(given[:60])!r}.{near_by or separated}",
        )
    twice = next((name for name in known if cells.count(name) > 1), None)
    if twice is not None:
        _refuse(file, line, f"must name each column once; {twice} stands there {cells.count(twice)} times")
    others = [shown(name) for name in cells if name not in known]
    if others:
        warnings.warn(
            f"csv: {shown(file)} has other columns than {listed(known)}, which are not read: {', '.join(others[:5])}"
            f"{', ...' * (len(others) > 5)}.{near(others[0], [n for n in known if n not in cells])}",
            stacklevel=4,
        )
    path, label, split = (cells.index(name) if name in cells else None for name in known)
    assert path is not None, "missing columns are refused above"
    assert label is not None, "the same"
    return _Header(path, label, split, len(cells))


def _row(file: Path, line: int, cells: list[str], header: _Header) -> Row:
    if len(cells) != header.cells:
        _refuse(
            file,
            line,
            f"must have {header.cells} columns, as the header has; it has {len(cells)}. Put quotes around what holds a "
            "comma",
        )
    written, label = cells[header.path], cells[header.label]
    if not label.strip():
        _refuse(file, line, f"must say the label of {shown(written)}; it is empty")
    split = "" if header.split is None else cells[header.split]
    if header.split is not None and split not in SPLITS:
        _refuse(file, line, f"must have the split {listed(SPLITS, 'or')}; got {shown(split)!r}.{near(split, SPLITS)}")
    path = file.parent / written
    if not written.strip() or not os.path.isfile(path):  # noqa: PTH113 - it stands a NUL in a name
        what = "it names none" if not written.strip() else f"{shown(path)} is {_instead(path)}"
        folders = " Write / between folders." if "\\" in written and os.sep == "/" else ""
        _refuse(file, line, f"must name a file, from the folder of the csv on; {what}.{folders}")
    return Row(line, path, label, split)


def _instead(path: Path) -> str:
    return "a folder" if os.path.isdir(path) else "not there"  # noqa: PTH112 - as above


def _same(path: Path) -> str:
    """One text for all ways to write a path; where it leads up, links on the way may matter."""
    return os.path.realpath(path) if os.pardir in path.parts else os.path.normpath(path)


def _refuse_contradiction(file: Path, first: Row, row: Row) -> None:
    for what, mine, before in (("label", row.label, first.label), ("split", row.split, first.split)):
        if mine != before:
            _refuse(
                file,
                row.line,
                f"must give {shown(row.path)} the {what} {shown(before)!r}, as line {first.line} does; it says "
                f"{shown(mine)!r}. An image has one {what}",
            )


def _refuse(file: Path, line: int | None, what: str) -> NoReturn:
    """Raise what is wrong.

    Raises:
        ValueError: Always.
    """
    place = f"csv: {shown(file)}" + (f", line {line}," if line is not None else "")
    raise ValueError(f"{place} {what}{'' if what.endswith(('.', '?')) else '.'}")
