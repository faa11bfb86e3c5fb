"""Which files of a folder tree are images, and of which class: one walk decides for classes and for images.

A name that belongs to the system or to a program never counts, at any depth; a link counts by its own name, wherever it
leads. Every folder is read once, links included, and for one class; what is passed over is counted.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sigma2r.data.formats import image_endings
from sigma2r.data.names import (
    CIRCLES,
    CLOSED,
    NO_FILE,
    OUTSIDE,
    TWICE,
    PassedOver,
    check_class_names,
    ending,
    is_hidden,
    shown,
)

Identity = tuple[int, int]
"""Device and number of a file or folder: however many paths lead to it, it has one."""


@dataclass
class ImageTree:
    """The images of a split.

    Args:
        folder: Holds a folder for each class.
        images: The image files of each class, in the order of their paths; classes in the order of their names.
        passed_over: What was found beside them.
        folders: Every folder that was read, the split's first, by what the file system knows it by.
    """

    folder: Path
    images: dict[str, list[Path]]
    passed_over: PassedOver
    folders: dict[Identity, str]


def read_tree(folder: Path) -> ImageTree:
    """Find the classes of a split and their images.

    Raises:
        ValueError: If there is no class, a class's name is not UTF-8, a folder cannot be read, a link leads to a folder
            that holds it, or one folder serves two classes.
    """
    walk = _Walk(folder)
    walk.run()
    images = {name: sorted(walk.images[name], key=_by_parts) for name in sorted(walk.images)}
    check_class_names(images, str(folder))
    if not images:
        raise ValueError(f"folder: {shown(folder)} must hold a folder for each class; it holds none.")
    paths = {name: [Path(path) for path in found] for name, found in images.items()}
    return ImageTree(folder, paths, walk.passed_over, {own: path for own, (path, _) in walk.read.items()})


def read_loose(folder: Path) -> ImageTree:
    """Find all images below a folder, whether they lie in folders of classes or not.

    A class is a folder beside others, whatever it means; images beside the folders have the class ``""``. There may be
    none of either. What links lead to a second time is passed over, and of no class but its first; so are links that
    lead in a circle, and folders below that cannot be read.

    Raises:
        ValueError: If the folder itself cannot be read.
    """
    walk = _Walk(folder, loose=True)
    walk.run()
    paths = {name: [Path(path) for path in sorted(found, key=_by_parts)] for name, found in walk.images.items()}
    return ImageTree(folder, paths, walk.passed_over, {own: path for own, (path, _) in walk.read.items()})


def folders_of(folder: Path) -> set[Identity]:
    """The folders that are read for a split, as far as they can be listed; nothing is refused."""
    walk = _Walk(folder)
    with suppress(ValueError, OSError):  # said when that split is asked for
        walk.run()
    return {*walk.read}


def holds_images(folder: str, images: Iterable[str]) -> bool:
    """Whether one of the images lies below a folder: one without any may be of several classes."""
    return any(image.startswith(folder + os.sep) for image in images)


def _by_parts(path: str) -> str:
    """Orders as comparing folder by folder does, faster: the separator comes before every character of a name."""
    return path.replace(os.sep, "\0")


class _NotEnteredError(ValueError):
    """A folder is not entered.

    Args:
        reason: In a few words, for what is passed over.
        sentence: Where it is refused.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class _Walk:
    """Reads real folders first and linked ones after them, so that a link never takes a folder from its own class."""

    def __init__(self, folder: Path, loose: bool = False) -> None:
        self.folder = folder
        self.loose = loose
        self.images: dict[str, list[str]] = {}
        self.passed_over = PassedOver()
        self.endings = image_endings()
        self.read: dict[Identity, tuple[str, str]] = {}
        self.todo: list[tuple[str, str, tuple[Identity, ...]]] = []
        self.links: list[tuple[str, str, tuple[Identity, ...]]] = []
        self.shared: list[tuple[str, str, str]] = []

    def run(self) -> None:
        real = self.folder.resolve()
        above = tuple(identity(str(path)) for path in (real, *real.parents))
        self.read[above[0]] = str(self.folder), ""
        for entry in _entries(str(self.folder)):
            kind = _kind(entry)
            if is_hidden(entry.name):
                self.passed_over.hide(entry.name, for_a_class=kind == "folder")
            elif kind == "folder":
                self.images[entry.name] = []
                self._plan(entry, entry.name, above)
            elif kind == "file" and self.loose:
                self._take(entry, "")
            elif kind == "file":
                self.passed_over.add(OUTSIDE, entry.name)
            else:
                self.passed_over.add(NO_FILE, entry.name, for_a_class=True)
        self.todo.reverse()
        while self.todo or self.links:
            path, name, above = self.todo.pop() if self.todo else self.links.pop(0)
            try:
                self._enter(path, name, above)
            except _NotEnteredError as error:
                if not self.loose:
                    raise
                self.passed_over.add(error.reason, os.path.relpath(path, self.folder))
        for path, first, its in self.shared:
            self._refuse_shared(path, first, self.images[its])

    def _plan(self, entry: "os.DirEntry[str]", name: str, above: tuple[Identity, ...]) -> None:
        (self.links if entry.is_symlink() else self.todo).append((entry.path, name, above))

    def _enter(self, path: str, name: str, above: tuple[Identity, ...]) -> None:
        own = identity(path)
        if own in above:
            raise _NotEnteredError(
                CIRCLES,
                f"folder: links must not lead in a circle; {shown(path)} leads to a folder that holds it. Take it out.",
            )
        if own in self.read:
            self.passed_over.add(TWICE, os.path.relpath(path, self.folder))
            if self.read[own][1] != name and not self.loose:
                self.shared.append((path, *self.read[own]))
            return
        self.read[own] = path, name
        for entry in _entries(path):
            if is_hidden(entry.name):
                self.passed_over.hide(entry.name)
                continue
            kind = _kind(entry)
            if kind == "folder":
                self._plan(entry, name, (own, *above))
            elif kind != "file":
                self.passed_over.add(NO_FILE, entry.name)
            else:
                self._take(entry, name)

    def _take(self, entry: "os.DirEntry[str]", name: str) -> None:
        if ending(entry.name) in self.endings:
            self.images.setdefault(name, []).append(entry.path)
        else:
            self.passed_over.end(entry.name)

    def _refuse_shared(self, path: str, first: str, images: Iterable[str]) -> None:
        if holds_images(first, images):
            raise ValueError(
                f"folder: no folder may be of two classes; {shown(first)} and {shown(path)} are one. Take one of them "
                "out."
            )


def _entries(folder: str) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise _NotEnteredError(CLOSED, f"folder: {shown(folder)} must be readable: {error.strerror}.") from error


def _kind(entry: "os.DirEntry[str]") -> str:
    try:
        if entry.is_dir():
            return "folder"
        return "file" if entry.is_file() else "neither"
    except OSError:  # a link to itself
        return "neither"


def identity(folder: str) -> Identity:
    """Of a folder, at the end of all links.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        status = os.stat(folder)  # noqa: PTH116 - a path object for each of a million folders costs
    except OSError as error:
        raise _NotEnteredError(CLOSED, f"folder: {shown(folder)} must be readable: {error.strerror}.") from error
    return status.st_dev, status.st_ino
