"""Which files of a folder tree are images, and of which class: one walk decides for classes and for images.

A name that belongs to the system or to a program never counts, at any depth; every folder is read once, links
included; what is passed over is counted.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from sigma2r._absent import AbsentError
from sigma2r._places import is_folder
from sigma2r.data.formats import image_endings
from sigma2r.data.names import NO_FILE, OUTSIDE, TWICE, PassedOver, check_class_names, ending, is_hidden, shown

VALIDATION_NAMES = ("val", "valid", "validation")  # other names of test/


@dataclass
class ImageTree:
    """The images of a split.

    Args:
        folder: Holds a folder for each class.
        images: The image files of each class, in the order of their paths; classes in the order of their names.
        passed_over: What was found beside them.
    """

    folder: Path
    images: dict[str, list[Path]]
    passed_over: PassedOver


def split_folder(root: Path, split: str) -> tuple[Path, list[str]]:
    """Where a split lies: test/ may be called val/, valid/ or validation/.

    Returns:
        The folder, and the other names of test/ that lie beside it and are not read.

    Raises:
        AbsentError: If the folder of the data set is not there.
        ValueError: If the split is missing, or test/ is and several others could stand for it.
    """
    others = [name for name in VALIDATION_NAMES if split == "test" and (root / name).is_dir()]
    if (root / split).is_dir():
        return root / split, others
    if len(others) == 1:
        return root / others[0], []
    if others:
        raise ValueError(
            f"folder: {shown(root)} must hold test/, or one folder that stands for it; it holds "
            f"{' and '.join(f'{name}/' for name in others)}. Rename one of them to test."
        )
    is_folder(root / split)  # a file in its place, or in that of the data set's folder, is not a folder that is missing
    there = sorted(shown(p.name) + "/" for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    holds = f"it holds {', '.join(there[:5])}{', ...' * (len(there) > 5)}" if there else "it holds no folders"
    raise (ValueError if root.exists() else AbsentError)(
        f"folder: {shown(root)} must hold train/ and test/ with a folder for each class; {split}/ is missing, "
        f"{holds if root.is_dir() else 'and so is the folder itself'}."
    )


def read_tree(folder: Path) -> ImageTree:
    """Find the classes of a split and their images.

    Raises:
        ValueError: If there is no class, a class's name is not UTF-8, a folder cannot be read, or a link leads to a
            folder that holds it.
    """
    walk = _Walk(folder)
    walk.run()
    images = {name: sorted(walk.images[name], key=_by_parts) for name in sorted(walk.images)}
    check_class_names(images, str(folder))
    if not images:
        raise ValueError(f"folder: {shown(folder)} must hold a folder for each class; it holds none.")
    return ImageTree(folder, {name: [Path(path) for path in paths] for name, paths in images.items()}, walk.passed_over)


def _by_parts(path: str) -> str:
    """Orders as comparing folder by folder does, faster: the separator comes before every character of a name."""
    return path.replace(os.sep, "\0")


_Identity = tuple[int, int]


class _Walk:
    """Reads real folders first and linked ones after them, so that a link never takes a folder from its own class."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: dict[str, list[str]] = {}
        self.passed_over = PassedOver()
        self.endings = image_endings()
        self.read: set[_Identity] = set()
        self.todo: list[tuple[str, str, tuple[_Identity, ...]]] = []
        self.links: list[tuple[str, str, tuple[_Identity, ...]]] = []

    def run(self) -> None:
        real = self.folder.resolve()
        above = tuple(_identity(str(path)) for path in (real, *real.parents))
        for entry in _entries(str(self.folder)):
            kind = _kind(entry)
            if is_hidden(entry.name):
                self.passed_over.hide(entry.name)
            elif kind == "folder":
                self.images[entry.name] = []
                self._plan(entry, entry.name, above)
            else:
                self.passed_over.add(OUTSIDE if kind == "file" else NO_FILE, entry.name)
        self.todo.reverse()
        while self.todo or self.links:
            self._enter(*(self.todo.pop() if self.todo else self.links.pop(0)))

    def _plan(self, entry: "os.DirEntry[str]", name: str, above: tuple[_Identity, ...]) -> None:
        (self.links if entry.is_symlink() else self.todo).append((entry.path, name, above))

    def _enter(self, path: str, name: str, above: tuple[_Identity, ...]) -> None:
        own = _identity(path)
        if own in above:
            raise ValueError(
                f"folder: links must not lead in a circle; {shown(path)} leads to a folder that holds it. Take it out."
            )
        if own in self.read:
            self.passed_over.add(TWICE, os.path.relpath(path, self.folder))
            return
        self.read.add(own)
        for entry in _entries(path):
            if is_hidden(entry.name):
                self.passed_over.hide(entry.name)
                continue
            kind = _kind(entry)
            if kind == "folder":
                self._plan(entry, name, (own, *above))
            elif kind != "file":
                self.passed_over.add(NO_FILE, entry.name)
            elif ending(entry.name) in self.endings:
                self.images[name].append(entry.path)
            else:
                self.passed_over.end(entry.name)


def _entries(folder: str) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(f"folder: {shown(folder)} must be readable: {error.strerror}.") from error


def _kind(entry: "os.DirEntry[str]") -> str:
    try:
        if entry.is_dir():
            return "folder"
        return "file" if entry.is_file() else "neither"
    except OSError:  # a link to itself
        return "neither"


def _identity(folder: str) -> _Identity:
    try:
        status = os.stat(folder)  # noqa: PTH116 - a path object for each of a million folders costs
    except OSError as error:
        raise ValueError(f"folder: {shown(folder)} must be readable: {error.strerror}.") from error
    return status.st_dev, status.st_ino
