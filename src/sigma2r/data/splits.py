"""The splits of a run: its images, and which of them train, validate and test."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sigma2r._resolve import is_path
from sigma2r.data.choice import Chosen
from sigma2r.data.folder import FolderImages, read_listing
from sigma2r.data.images import ImageData
from sigma2r.data.loaders import at_most, split_off
from sigma2r.data.own import own_splits
from sigma2r.data.pixels import PixelRange, as_pixel_range
from sigma2r.data.registry import check_dataset, is_listed, list_images, load_images, say_what_is_ignored
from sigma2r.data.resize import Resize


@dataclass(frozen=True)
class Split:
    """Some images of a data set.

    Args:
        data: The images that were loaded.
        indices: Which of them belong to the split, increasing.
        chosen: How they were chosen, if they are the test images of a data set that had none.
    """

    data: ImageData | FolderImages
    indices: Tensor
    chosen: Chosen | None = None

    def __len__(self) -> int:
        return self.indices.shape[0]

    @property
    def labels(self) -> Tensor:
        """Class indices of the split, shape ``(len(self),)``."""
        return self.data.labels[self.indices]


def load_splits(
    dataset: str,
    *,
    data_dir: Path | None = None,
    image_size: int | None = None,
    download: bool = False,
    gray: bool | None = None,
    pixel_range: PixelRange | None = None,
    resize: Resize | None = None,
    missing_classes: bool = False,
    test_fraction: float | None = None,
    test_seed: int = 0,
    validation_fraction: float = 0.0,
    images_per_class: int | None = None,
    seed: int = 0,
) -> dict[str, Split]:
    """``train``, ``test`` and, if there are images of their own for it or a share is set aside, ``validation``.

    Args:
        dataset: A name or path, as :func:`sigma2r.data.load_images` takes it.
        data_dir: Folder of the data set's files.
        image_size: Pixels a side.
        download: Fetch the files if they are nowhere.
        gray: Of a folder or a csv file: whether images have one channel.
        pixel_range: Of these: values of black and of white.
        resize: Of these: how images come to that size.
        missing_classes: Of these: whether classes may have no test images.
        test_fraction: Of these: share of each class set aside as test images, where there are none.
        test_seed: Of these: decides which.
        validation_fraction: Share of each class's training images that is set aside, where none are for validation.
        images_per_class: Train on no more of a class than these.
        seed: Decides which are set aside and which are used.

    Raises:
        ValueError: If the data cannot be used, no class has enough images for any to be set aside, or a share is to be
            set aside beside images that are for validation.
    """
    check_dataset(dataset)
    say_what_is_ignored(dataset, data_dir, download)
    meaning: dict[str, Any] = {"image_size": image_size, "gray": gray, "pixel_range": pixel_range, "resize": resize}
    choice: dict[str, Any] = {
        "missing_classes": missing_classes,
        "test_fraction": test_fraction,
        "test_seed": test_seed,
    }
    if is_listed(dataset):
        meaning["pixel_range"] = as_pixel_range(pixel_range)
        listing = list_images(dataset, **choice)
        names, chosen = tuple(listing.trees), listing.chosen
        load: Callable[[str], ImageData | FolderImages] = partial(read_listing, listing, **meaning)
    else:
        names, chosen = own_splits(dataset) if is_path(dataset) else ("train", "test"), None
        loads = load_images if is_path(dataset) else _load_once
        load = partial(loads, dataset, data_dir=data_dir, download=download, **meaning, **choice)
    if "val" in names and validation_fraction > 0:
        raise ValueError(
            f"{dataset}: validation_fraction sets training images aside where none are for validation, and there are "
            f"some; got {validation_fraction:g}. Leave it out to use those, or take them away."
        )
    found = {split: load(split) for split in names}
    training, test = found["train"], found["test"]
    for name in names[1:]:
        _check_alike(dataset, name, training, found[name])
    _check_names(dataset, training.class_names)
    indices, aside = split_off(training.labels, validation_fraction, seed)
    if validation_fraction > 0 and not len(aside):
        raise ValueError(
            f"train: validation_fraction {validation_fraction:g} sets no image aside: no class has enough."
        )
    if images_per_class is not None:
        indices = at_most(training.labels, indices, images_per_class, seed)
    splits = {"train": Split(training, indices), "test": Split(test, torch.arange(len(test)), chosen)}
    if "val" in found:
        return {**splits, "validation": Split(found["val"], torch.arange(len(found["val"])))}
    return splits if validation_fraction == 0 else {**splits, "validation": Split(training, aside)}


def _check_alike(dataset: str, name: str, training: ImageData | FolderImages, other: ImageData | FolderImages) -> None:
    for what in ("class_names", "image_shape"):
        mine, theirs = (getattr(data, what) for data in (training, other))
        if tuple(mine) != tuple(theirs):
            raise ValueError(f"{dataset}: {what} must be the same in train and {name}; got {mine} and {theirs}.")


def _check_names(dataset: str, names: Sequence[str]) -> None:
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise ValueError(f"{dataset}: class_names must differ; {twice[0]!r} is there twice.")


_load_once: Callable[..., ImageData | FolderImages] = lru_cache(maxsize=4)(load_images)  # a folder may change
