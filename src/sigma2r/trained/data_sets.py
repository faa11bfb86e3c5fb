"""The images of a data set by its name: those that a training has in that split, chosen as the run chose them."""

import os
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from sigma2r._shown import shown as told
from sigma2r._suggest import near
from sigma2r.data.choice import TEST_FRACTION
from sigma2r.data.folder import FolderImages
from sigma2r.data.images import ImageData
from sigma2r.data.layout import listed_folders
from sigma2r.data.listing import Listing
from sigma2r.data.loaders import split_off
from sigma2r.data.names import shown
from sigma2r.data.registry import (
    check_dataset,
    is_divided,
    is_listed,
    list_images,
    listed_folder,
    listed_place,
    load_images,
    say_what_is_ignored,
)
from sigma2r.data.tree import Identity
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.trained.sources import Chosen, Decoded, Files, Pixels, Source

_SPLITS = ("train", "test", "val")


def split_of(
    name: str, split: str, *, data_dir: Path | None, download: bool, image_size: int, record: Record | None
) -> Source:
    """The images of a split of a data set.

    Test images of a folder or csv file that has none are chosen by the share and the seed of the run, and so are the
    same ones wherever its data lie. ``"val"`` of the run's own data set, where no images are for validation, are those
    that the run set aside.

    Args:
        name: A data set.
        split: ``"train"``, ``"test"`` or ``"val"``.
        data_dir: Folder of its files.
        download: Fetch them if they are nowhere.
        image_size: Pixels a side, of images that are made on the fly.
        record: Of the run; None: of none.

    Raises:
        ValueError: If there is no such split, it has no images, or the data set cannot be used.
    """
    check_split(split)
    say_what_is_ignored(name, data_dir, download)
    check_dataset(name)
    run = None if record is None or not _is_own(name, record.run) else record.run
    if split == "val" and run is not None and run.validation_fraction > 0:
        whole = split_of(name, "train", data_dir=data_dir, download=download, image_size=image_size, record=record)
        return _set_aside(whole, name, run)
    if is_listed(name):
        return _listed(name, split, record)
    return _loaded(name, split, data_dir, download, image_size)


def check_split(split: str) -> None:
    """Refuse what is no split.

    Raises:
        ValueError: With the nearest.
    """
    if split not in _SPLITS:
        raise ValueError(f"images: split must be train, test or val; got {told(split)}.{near(split, _SPLITS)}")


def _is_own(name: str, run: Run) -> bool:
    """Whether a name means the data set of a run."""
    if name == run.dataset or not (is_listed(name) and is_listed(run.dataset)):
        return name == run.dataset
    mine, theirs = (os.path.realpath(listed_place(each)) for each in (name, run.dataset))
    return mine == theirs


def _set_aside(whole: Source, name: str, run: Run) -> Source:
    """The training images that a run set aside for validation."""
    assert whole.labels is not None, "images of a data set have labels"
    index = {label: number for number, label in enumerate(sorted(set(filter(None, whole.labels))))}
    labels = torch.tensor([index[label or ""] for label in whole.labels])
    _, aside = split_off(labels, run.validation_fraction, run.data_seed)
    return Chosen.of(f"{shown(name)}, val", whole, aside.tolist())


def _loaded(name: str, split: str, data_dir: Path | None, download: bool, image_size: int) -> Source:
    size = image_size if name == "fuzzy-rgb" else None
    data = load_images(name, split, data_dir=data_dir, image_size=size, download=download)
    root = listed_folder(name, data_dir)
    return source_of(data, name, split, set() if root is None else listed_folders(root))


def source_of(data: ImageData | FolderImages, name: str, split: str, listed: Collection[Identity] = ()) -> Source:
    """Images of a split that are loaded, or stay on disk, as the data set has them."""
    title = f"{shown(name)}, {split}"
    labels = [data.class_names[label] for label in data.labels.tolist()]
    if isinstance(data, FolderImages):
        return Decoded(title, [str(path) for path in data.paths], labels, listed, data=data)
    return Pixels(title, [f"{name}/{split}/{row}" for row in range(len(data))], labels, listed, images=data.images)


def _listed(name: str, split: str, record: Record | None) -> Source:
    """The images of a folder or csv file in a split: files, which are decoded by the rules of the training."""
    choice, own = _choice(name, record)
    listing = list_images(name, split, missing_classes=True, **choice)
    if split not in listing.trees:
        raise ValueError(f"images: {shown(name)} must have images of {split}; it has none.{_remedy(split, record)}")
    listing.say_what_is_passed_over(split)
    if choice:
        _say_what_is_chosen(name, split, listing, None if record is None or not own else record)
    tree = listing.trees[split]
    pairs = [(str(image), label) for label, images in tree.images.items() for image in images]
    if not pairs:
        raise ValueError(f"folder: {shown(tree.folder)} must hold images in its class folders; it holds none.")
    root = listed_folder(name, None)
    listed = set(tree.folders) if root is None else listed_folders(root) | tree.folders.keys()
    title = f"{shown(name)}, {split}"
    return Files(title, [image for image, _ in pairs], [label for _, label in pairs], listed)


def _choice(name: str, record: Record | None) -> tuple[dict[str, Any], bool]:
    """How test images are chosen from a data set that has none, and whether that is how the run chose its own.

    Nothing where the data set says itself which they are.
    """
    if is_divided(name):
        return {}, False
    run = None if record is None else record.run
    if run is None or not is_listed(run.dataset):
        return {"test_fraction": TEST_FRACTION}, False
    fraction = TEST_FRACTION if run.test_fraction is None else run.test_fraction
    return {"test_fraction": fraction, "test_seed": run.test_seed}, _is_own(name, run)


def _say_what_is_chosen(name: str, split: str, listing: Listing, own: Record | None) -> None:
    """Warn that a share of a data set is taken; of the run's own, only if it holds other images than then."""
    counts = {each: sum(map(len, tree.images.values())) for each, tree in listing.trees.items()}
    if own is None:
        assert listing.chosen is not None, "it was chosen by share"
        warnings.warn(
            f"images: {shown(name)} says of no image that it is for the test; {counts[split]:,} of "
            f"{sum(counts.values()):,} are taken as those of {split}, as a training with --test_fraction "
            f"{listing.chosen.fraction:g} would. For all of them, name {shown(listing.place)} alone.",
            stacklevel=2,
        )
        return
    seen = own.data or {}
    then = {each: seen[each]["images"] for each in ("train", "test") if each in seen}
    if then and then != {each: counts[each] for each in then}:
        warnings.warn(
            f"images: {shown(name)} holds other images than when the run was trained on it "
            f"({sum(counts.values()):,} now, {sum(then.values()):,} then), so that test images may be such as trained. "
            "split.csv in the run's folder names those of then.",
            stacklevel=2,
        )


def _remedy(split: str, record: Record | None) -> str:
    if split == "val" and record is not None and record.run.validation_fraction > 0:
        return f" The run set some of {shown(record.run.dataset)} aside for validation: name that."
    return ""
