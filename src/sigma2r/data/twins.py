"""What is reached several times: a folder or an image that trains and tests, or that has two classes, by links."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from sigma2r.data.names import TWINS, shown
from sigma2r.data.tree import ImageTree, holds_images


def refuse_shared_folders(training: ImageTree, other: ImageTree) -> None:
    """Refuse a folder with images that is read for both splits.

    Raises:
        ValueError: Naming it by both of its paths.
    """
    for own, path in other.folders.items():
        if own in training.folders and holds_images(path, (str(image) for image in _images(other))):
            raise ValueError(
                f"folder: no folder may both train and test; {shown(training.folders[own])} and {shown(path)} are one. "
                "Take one of them out."
            )


def settle_twins(trees: Sequence[ImageTree], twins: Iterable[Sequence[Path]]) -> list[tuple[Path, Path]]:
    """Let an image that links lead to several times count once in its class, and refuse it in two classes or splits.

    Several names of one file (hard links) are what a copy would be: each counts where it lies.

    Args:
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
    for paths in twins:
        real = [path for path in paths if not path.is_symlink()] or paths[:1]
        homes = {_place(trees, path): path for path in reversed(real)}
        stray = [path for path in paths if _place(trees, path) not in homes]
        if stray:
            refused.append((real[0], stray[0]))
        elif len(homes) > 1:
            told.append((real[0], next(path for path in real if _place(trees, path) != _place(trees, real[0]))))
        dropped.update(set(paths) - set(real))
    if refused:
        more = f" (and so are {len(refused) - 1:,} more)" if len(refused) > 1 else ""
        first, link = refused[0]
        raise ValueError(
            f"folder: an image must be of one class and of one split; {shown(first)} and {shown(link)} are one, by a "
            f"link{more}. Take one of them out."
        )
    _drop(trees, dropped)
    return told


def say_twins(told: Sequence[tuple[Path, Path]], root: Path) -> None:
    """Warn of hard links that give an image two classes, or let it both train and test."""
    if told:
        first, other = (shown(path.relative_to(root)) for path in told[0])
        images = "image" if len(told) == 1 else "images"
        warnings.warn(
            f"folder: {shown(root)} has {len(told):,} {images} with several names (hard links) in two classes or in "
            f"both splits, such as {first} and {other}; each name counts where it lies.",
            stacklevel=3,
        )


def _images(tree: ImageTree) -> Iterable[Path]:
    return (path for paths in tree.images.values() for path in paths)


def _place(trees: Iterable[ImageTree], path: Path) -> tuple[Path, str]:
    """The split and the class that a path gives an image."""
    folder = next(tree.folder for tree in trees if path.is_relative_to(tree.folder))
    return folder, path.relative_to(folder).parts[0]


def _drop(trees: Iterable[ImageTree], dropped: set[Path]) -> None:
    for tree in trees if dropped else ():
        for path in filter(dropped.__contains__, _images(tree)):
            tree.passed_over.add(TWINS, str(path.relative_to(tree.folder)))
        tree.images = {name: [path for path in paths if path not in dropped] for name, paths in tree.images.items()}
