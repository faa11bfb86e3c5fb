"""The listing of a folder of images: its splits, or one split of its class folders."""

import warnings
from pathlib import Path

from sigma2r.data.layout import is_undivided, split_folder
from sigma2r.data.listing import Listing, refuse_empty, refuse_other_classes, settled
from sigma2r.data.names import shown
from sigma2r.data.tree import ImageTree, read_tree
from sigma2r.data.twins import refuse_shared_folders

_OTHERS = ("test", "val")


def list_folder(
    root: Path,
    split: str | None = None,
    *,
    missing_classes: bool = False,
    test_fraction: float | None = None,
    test_seed: int = 0,
) -> Listing:
    """List a folder: train/, test/ and val/, or class folders alone, of which test images are chosen.

    Args:
        root: The folder.
        split: The split that is wanted: what is wrong with others is left to who wants them. None wants all.
        missing_classes: Whether a class may have no images in a split other than train.
        test_fraction: Share of each class that is set aside where there is no split.
        test_seed: Decides which.

    Raises:
        ValueError: If a folder is missing, has no classes or no images, the splits disagree on the classes, or links
            lead in a circle or give an image two classes or splits; if a share is given and there are test images.
    """
    if is_undivided(root):
        listing = settled("folder", root, root, {"train": _undivided(root)})
        return listing.with_test(test_fraction, test_seed, missing_classes=missing_classes)
    if test_fraction is not None or test_seed:
        given = "test_seed" if test_fraction is None else "test_fraction"
        _refuse_choice(root, given)
    training = _tree(root, "train")
    assert training is not None, "train/ is never None"
    trees = {"train": training}
    for other in _OTHERS:
        tree = _checked(root, other, training, missing_classes) if split in (None, other) else _quietly(root, other)
        trees |= {} if tree is None else {other: tree}
    refuse_shared_folders(trees)
    return settled("folder", root, root, trees)


def _refuse_choice(root: Path, given: str) -> None:
    """Refuse a share where there are test images; where they are missing, or all is, that is said instead.

    Raises:
        ValueError: Always.
    """
    split_folder(root, "train")
    test = split_folder(root, "test")
    assert test is not None, "it is refused where it is missing"
    raise ValueError(
        f"folder: {given} is for class folders without train/ and test/; {shown(root)} has its test images in "
        f"{test.name}/. Leave it out."
    )


def _undivided(root: Path) -> ImageTree:
    """The classes of a folder without splits."""
    tree = read_tree(root)
    within = [name for name in tree.images if all((root / name / split).is_dir() for split in ("train", "test"))]
    if within or len(tree.images) == 1:
        first = shown(next(iter(within or tree.images)))
        holds = f"{first}/, which holds train/ and test/ itself. Name that one" if within else f"{first}/ alone"
        raise ValueError(
            f"folder: {shown(root)} must hold train/ and test/, or a folder for each of several classes; it holds "
            f"{holds}."
        )
    refuse_empty(tree, f" {shown(root)} has no train/ and test/, so that each folder in it is a class.")
    return tree


def _checked(root: Path, split: str, training: ImageTree, missing_classes: bool) -> ImageTree | None:
    """The tree of a split other than train, once its classes are those of train."""
    tree = _tree(root, split)
    if tree is None:
        return None
    if split == "test" and tree.folder.name != split:
        warnings.warn(f"folder: {shown(root)} has no {split}/; {tree.folder.name}/ is taken for it.", stacklevel=3)
    refuse_other_classes(
        tree,
        training,
        (f"{tree.folder.name}/", "train/"),
        (f"folder: {shown(tree.folder)}", shown(training.folder)),
        missing_classes=missing_classes,
    )
    if not missing_classes or not any(tree.images.values()):
        refuse_empty(tree)
    return tree


def _quietly(root: Path, split: str) -> ImageTree | None:
    """The images of another split than is wanted; what is wrong with them is said when that one is."""
    try:
        return _tree(root, split)
    except ValueError:
        return None


def _tree(root: Path, split: str) -> ImageTree | None:
    folder = split_folder(root, split)
    return None if folder is None else read_tree(folder)
