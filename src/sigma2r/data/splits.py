"""The splits of a run: its images, and which of them train, validate and test."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from sigma2r._resolve import is_path
from sigma2r.data.folder import FolderImages
from sigma2r.data.images import ImageData
from sigma2r.data.loaders import at_most, split_off
from sigma2r.data.pixels import PixelRange
from sigma2r.data.registry import FOLDER, load_images, say_what_is_ignored


@dataclass(frozen=True)
class Split:
    """Some images of a data set.

    Args:
        data: The images that were loaded.
        indices: Which of them belong to the split, increasing.
    """

    data: ImageData | FolderImages
    indices: Tensor

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
    missing_classes: bool = False,
    validation_fraction: float = 0.0,
    images_per_class: int | None = None,
    seed: int = 0,
) -> dict[str, Split]:
    """``train``, ``test`` and, if a share of the training images is set aside, ``validation``.

    Args:
        dataset: A name or path, as :func:`sigma2r.data.load_images` takes it.
        data_dir: Folder of the data set's files.
        image_size: Pixels a side.
        download: Fetch the files if they are nowhere.
        gray: Of a folder: whether images have one channel.
        pixel_range: Of a folder: values of black and of white.
        missing_classes: Of a folder: whether classes may have no test images.
        validation_fraction: Share of each class's training images that is set aside.
        images_per_class: Train on no more of a class than these.
        seed: Decides which are set aside and which are used.

    Raises:
        ValueError: If the data cannot be used, or no class has enough images for any to be set aside.
    """
    say_what_is_ignored(dataset, data_dir, download)
    load = load_images if dataset.startswith(FOLDER) or is_path(dataset) else _load_once
    training, test = (
        load(
            dataset,
            split,
            data_dir=data_dir,
            image_size=image_size,
            download=download,
            gray=gray,
            pixel_range=pixel_range,
            missing_classes=missing_classes,
        )
        for split in ("train", "test")
    )
    _check_alike(dataset, training, test)
    _check_names(dataset, training.class_names)
    indices, aside = split_off(training.labels, validation_fraction, seed)
    if validation_fraction > 0 and not len(aside):
        raise ValueError(
            f"train: validation_fraction {validation_fraction:g} sets no image aside: no class has enough."
        )
    if images_per_class is not None:
        indices = at_most(training.labels, indices, images_per_class, seed)
    splits = {"train": Split(training, indices), "test": Split(test, torch.arange(len(test)))}
    return splits if validation_fraction == 0 else {**splits, "validation": Split(training, aside)}


def _check_alike(dataset: str, training: ImageData | FolderImages, test: ImageData | FolderImages) -> None:
    for what in ("class_names", "image_shape"):
        mine, theirs = (getattr(data, what) for data in (training, test))
        if tuple(mine) != tuple(theirs):
            raise ValueError(f"{dataset}: {what} must be the same in train and test; got {mine} and {theirs}.")


def _check_names(dataset: str, names: Sequence[str]) -> None:
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise ValueError(f"{dataset}: class_names must differ; {twice[0]!r} is there twice.")


_load_once: Callable[..., ImageData | FolderImages] = lru_cache(maxsize=4)(load_images)  # a folder may change
