"""A folder tree of images: PATH/train/CLASS/... and PATH/test/CLASS/..., read by Pillow."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import torch
from torch import Tensor
from torch.utils.data import Dataset

from sigma2r.data.images import ImageData

if TYPE_CHECKING:
    from PIL import Image

IN_MEMORY_BYTES = 4 * 2**30
SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


class FolderImages(Dataset[tuple[Tensor, Tensor]]):
    """Images that stay on disk and are decoded as they are asked for, by a DataLoader's workers.

    Args:
        paths: The image files.
        labels: Class indices, shape ``(N,)``.
        class_names: One name for each class.
        image_shape: Channels, height and width that images are brought to.
        rescale: Whether an image of another size is scaled; otherwise it is refused.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Tensor,
        class_names: tuple[str, ...],
        image_shape: tuple[int, int, int],
        rescale: bool,
    ) -> None:
        self.paths = list(paths)
        self.labels = labels
        self.class_names = class_names
        self.image_shape = image_shape
        self.rescale = rescale

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return read_image(self.paths[index], self.image_shape, self.rescale), self.labels[index]

    def load(self) -> ImageData:
        """All images decoded into memory, by as many threads as there are cores."""
        images = torch.empty(len(self), *self.image_shape, dtype=torch.uint8)

        def decode(index: int) -> None:
            images[index] = read_image(self.paths[index], self.image_shape, self.rescale)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(decode, range(len(self)), chunksize=64):
                pass
        return ImageData(images, self.labels, self.class_names)


def folder_images(
    root: Path, split: str, image_size: int | None = None, in_memory_bytes: int = IN_MEMORY_BYTES
) -> ImageData | FolderImages:
    """Read a split of a folder tree; what would not fit into ``in_memory_bytes`` stays on disk.

    Args:
        root: The folder that holds ``train`` and ``test``.
        split: Which of them.
        image_size: Pixels a side that every image is scaled to; needed unless all are square and of one size.
        in_memory_bytes: The most bytes of pixels to hold.

    Returns:
        RGB images, or images of one channel if the first image of each class is gray. Classes are in the order
        of their names.

    Raises:
        ValueError: If a folder is missing, has no classes or no images, train and test disagree on the classes,
            or an image cannot be read or has another size and none was asked for (named; where images stay on disk,
            once it is read).
    """
    classes = _classes(root, "train")
    if split != "train" and _classes(root, split) != classes:
        differing = ", ".join(sorted(set(classes) ^ set(_classes(root, split))))
        raise ValueError(
            f"folder: {root / split} must have the classes of {root / 'train'}; they differ in: {differing}."
        )
    paths, labels = [], []
    for label, name in enumerate(classes):
        found = sorted(p for p in (root / split / name).rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not found:
            raise ValueError(
                f"folder: each class must have images; {root / split / name} has none. Known endings: "
                f"{', '.join(sorted(SUFFIXES))}."
            )
        paths += found
        labels += [label] * len(found)
    firsts = [next(p for p in sorted((root / "train" / name).rglob("*")) if p.suffix.lower() in SUFFIXES)
              for name in classes]  # fmt: skip
    shape = _shape(root, firsts, image_size)
    images = FolderImages(paths, torch.tensor(labels), tuple(classes), shape, rescale=image_size is not None)
    fits = len(images) * shape[0] * shape[1] * shape[2] <= in_memory_bytes
    return images.load() if fits else images


def read_image(path: Path, shape: tuple[int, int, int], rescale: bool) -> Tensor:
    """One image as uint8 (ch, H, W); one of another size is scaled or refused.

    Raises:
        ValueError: Naming the file, if it is not an image that Pillow can read, or of another size.
    """
    return decode(path, str(path), shape, rescale)


def decode(source: Path | BinaryIO, name: str, shape: tuple[int, int, int], rescale: bool) -> Tensor:
    """:func:`read_image` from a path or an open file; ``name`` is what errors call it."""
    from PIL.Image import Resampling

    channels, height, width = shape
    image = _open(source, name).convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        if not rescale:
            raise ValueError(
                f"folder: {name} must have the size of the other images, {width} x {height}; it has "
                f"{image.width} x {image.height}. --image-size {height} scales all alike."
            )
        image = image.resize((width, height), Resampling.BILINEAR)
    return (
        torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(height, width, channels).permute(2, 0, 1)
    )


def _open(source: Path | BinaryIO, name: str) -> "Image.Image":
    from PIL import Image

    try:
        image = Image.open(source)
        image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"folder: {name} must be a readable image: {error}. Repair it or take it out.") from error
    return image


def _classes(root: Path, split: str) -> list[str]:
    folder = root / split
    if not folder.is_dir():
        raise ValueError(
            f"folder: {root} must hold train/ and test/ with a folder for each class; {split}/ is missing."
        )
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not names:
        raise ValueError(f"folder: {folder} must hold a folder for each class; it holds none.")
    return names


def _shape(root: Path, firsts: Sequence[Path], image_size: int | None) -> tuple[int, int, int]:
    images = [_open(path, str(path)) for path in firsts]
    channels = 1 if all(image.mode in ("1", "L") for image in images) else 3
    if image_size is not None:
        return channels, image_size, image_size
    sizes = {image.size for image in images}
    width, height = images[0].size
    if len(sizes) > 1 or width != height:
        raise ValueError(
            f"folder: images of {root} must be square and of one size, or --image-size must say what to scale them to; "
            f"got {', '.join(f'{w} x {h}' for w, h in sorted(sizes)[:4])}. Try --image-size 32."
        )
    return channels, height, width
