"""What is reached several times: a folder or an image that trains and tests, or that has two classes, by links."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from sigma2r.data.names import TWINS, below, shown
from sigma2r.data.tree import ImageTree, holds_images

_USES = {"train": "train", "test": "test", "val": "validate"}


def refuse_shared_folders(trees: Mapping[str, ImageTree]) -> None:
    """Refuse a folder with images that is read for two splits.

    Raises:
        ValueError: Naming it by both of its paths.
    """
    for (split, tree), (other_split, other) in combinations(trees.items(), 2):
        for own, path in other.folders.items():
            if own in tree.folders and holds_images(path, (str(image) for image in _images(other))):
                raise ValueError(
                    f"folder: no folder may both {_USES[split]} and {_USES[other_split]}; {shown(tree.folders[own])} "
                    f"and {shown(path)} are one. Take one of them out."
                )


def settle_twins(what: str, trees: Sequence[ImageTree], twins: Sequence[Sequence[Path]]) -> list[tuple[Path, Path]]:
    """Let an image that links lead to several times count once in its class, and refuse it in two classes or splits.

    Several names of one file (hard links) are what a copy would be: each counts where it lies.

    Args:
        what: What is listed, as the error calls it: ``"folder"``.
        trees: The splits; links that are left out are counted in what they passed over.
        twins: Paths that lead to one image, image by image.

    Returns:
        For each image that has two classes or is of both splits by hard links, two of its paths.

    Raises:
        ValueError: Naming two paths.
    """
    refused: list[tuple[Path, Path]] = []
    told: list[tuple[Path, Path]] = []
    dropped: set[Path] = set()
    place = _places(trees, {path for paths in twins for path in paths})
    for paths in twins:
        real = _names_of_its_own(paths)
        homes = {place[path] for path in real}
        stray = [path for path in paths if place[path] not in homes]
        if stray:
            refused.append((real[0], stray[0]))
        elif len(homes) > 1:
            told.append((real[0], next(path for path in real if place[path] != place[real[0]])))
        dropped.update(set(paths) - set(real))
    if refused:
        more = f" (and so are {len(refused) - 1:,} more)" if len(refused) > 1 else ""
        first, link = refused[0]
        raise ValueError(
            f"{what}: an image must be of one class and of one split; {shown(first)} and {shown(link)} are one, by a "
            f"link{more}. Take one of them out."
        )
    _drop(trees, dropped)
    return told


def say_twins(what: str, told: Sequence[tuple[Path, Path]], place: Path, root: Path) -> None:
    """Warn of hard links that give an image two classes, or let it both train and test.

    Args:
        what: What is listed: ``"folder"``.
        told: As :func:`settle_twins` returns them.
        place: The folder or file that is listed.
        root: What the paths of images are told from.
    """
    if told:
        first, other = (below(path, root) for path in told[0])
        images = "image" if len(told) == 1 else "images"
        warnings.warn(
            f"{what}: {shown(place)} has {len(told):,} {images} with several names (hard links) in two classes or in "
            f"both splits, such as {first} and {other}; each name counts where it lies.",
            stacklevel=3,
        )


def _images(tree: ImageTree) -> Iterable[Path]:
    return (path for paths in tree.images.values() for path in paths)


def _names_of_its_own(paths: Sequence[Path]) -> list[Path]:
    """The names of a file that are not links to another; of several ways to one through linked folders the first."""
    real = [path for path in paths if not path.is_symlink()] or paths[:1]
    first: dict[str, Path] = {}
    for path in real:
        first.setdefault(os.path.realpath(path), path)
    return [*first.values()]


def _places(trees: Sequence[ImageTree], wanted: set[Path]) -> dict[Path, tuple[int, str]]:
    """The split and the class that its path gives each image."""
    return {
        path: (number, name)
        for number, tree in enumerate(trees if wanted else ())
        for name, paths in tree.images.items()
        for path in paths
        if path in wanted
    }


def _drop(trees: Iterable[ImageTree], dropped: set[Path]) -> None:
    for tree in trees if dropped else ():
        for path in filter(dropped.__contains__, _images(tree)):
            tree.passed_over.add(TWINS, below(path, tree.folder))
        tree.images = {name: [path for path in paths if path not in dropped] for name, paths in tree.images.items()}
