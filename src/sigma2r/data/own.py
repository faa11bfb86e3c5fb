"""Data sets of a user's own, by the path of a function that loads them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import torch
from torch import Tensor

from sigma2r._call import call_own, parameters_of
from sigma2r._resolve import resolve
from sigma2r._text import is_whole
from sigma2r.data.folder import FolderImages
from sigma2r.data.images import ImageData


def own_splits(path: str) -> tuple[str, ...]:
    """The splits that the function of a path gives: train and test, and val if its parameter's annotation says so.

    That is ``split: Literal["train", "val", "test"]``. A function that does not say so is not asked: many give test
    images for whatever is not ``"train"``.

    Raises:
        ValueError: If there is no such function.
    """
    parameters = parameters_of(_function(path))
    offered = get_args(parameters[0].annotation) if parameters else ()
    return ("train", "test", "val") if "val" in offered else ("train", "test")


def own_images(
    path: str, split: str, *, data_dir: Path | None, image_size: int | None, download: bool
) -> ImageData | FolderImages:
    """A split as the function that a path names returns it; images in memory lie row by row, as a model may expect.

    Args:
        path: ``package.module:name`` of ``name(split) -> ImageData``, called with ``"train"`` and with ``"test"``, with
            ``"val"`` as :func:`own_splits` says, and with those of the keywords below that it takes.
        split: ``"train"``, ``"test"`` or ``"val"``.
        data_dir: As the user says it.
        image_size: As the user says it.
        download: As the user says it.

    Raises:
        ValueError: If there is no such function, or it does not return images with labels and class names.
    """
    load = _function(path)
    data = call_own(path, split, function=load, data_dir=data_dir, image_size=image_size, download=download)
    if not isinstance(data, (ImageData, FolderImages)):
        raise ValueError(
            f"{path}: a data set must return sigma2r.data.ImageData(images, labels, class_names); got "
            f"{type(data).__name__}."
        )
    if isinstance(data, ImageData):
        _check(path, split, data)
    if image_size is not None and data.image_shape[1:] != (image_size, image_size):
        raise ValueError(
            f"{path}: image_size {image_size} was asked for, and images have {data.image_shape[2]} x "
            f"{data.image_shape[1]} pixels; the function of a data set may take image_size. Leave it out otherwise."
        )
    return replace(data, images=data.images.contiguous()) if isinstance(data, ImageData) else data


def _function(path: str) -> Callable[..., Any]:
    load = resolve("data set", path)
    if not callable(load):
        raise ValueError(f"{path}: a data set must be a function of a split, train or test; got {load!r}.")
    return cast("Callable[..., Any]", load)


def _check(path: str, split: str, data: ImageData) -> None:
    images, labels = data.images, data.labels
    if not _is(images, 4, torch.uint8) or images.shape[2] != images.shape[3]:
        raise ValueError(
            f"{path}: images of {split} must be a uint8 tensor of shape (N, channels, side, side); got {_told(images)}."
        )
    if not _is(labels, 1, torch.int64) or labels.shape[0] != images.shape[0] or not len(labels):
        raise ValueError(
            f"{path}: labels of {split} must be an int64 tensor with one class index for each of the "
            f"{images.shape[0]} images, of which there must be some; got {_told(labels)}."
        )
    if not data.class_names or not all(isinstance(name, str) and is_whole(name) for name in data.class_names):
        raise ValueError(
            f"{path}: class_names of {split} must be texts in UTF-8, one for each class; got {data.class_names!r}."
        )
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= len(data.class_names):
        raise ValueError(
            f"{path}: labels of {split} must lie in [0, {len(data.class_names)}), the number of class_names; they go "
            f"from {least} to {most}."
        )


def _is(value: Any, ndim: int, dtype: torch.dtype) -> bool:
    return isinstance(value, Tensor) and value.ndim == ndim and value.dtype == dtype


def _told(value: Any) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
