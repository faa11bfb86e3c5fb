"""A tree of images packed into one tar file: train/CLASS/... and test/CLASS/..., read without unpacking to disk."""

import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import torch

from sigma2r.data.folder import SUFFIXES, decode
from sigma2r.data.images import ImageData

_LARGEST_FILE = 8 * 2**20
_LARGEST_SET = 4 * 2**30


def packed_images(path: Path, split: str, image_size: int) -> ImageData:
    """Read a split of a packed tree; nothing is written anywhere.

    Args:
        path: A tar file, plain or compressed.
        split: ``"train"`` or ``"test"``.
        image_size: Pixels a side that every image must have.

    Returns:
        RGB images in the order of class and name; classes in the order of their names.

    Raises:
        ValueError: If the file is damaged, holds a link, a path that leads outside or more bytes than a data set of
            small images has, or no image of that split; or if an image cannot be read or has another size (named).
    """
    found: dict[tuple[str, str], bytes] = {}
    classes: set[str] = set()
    total = 0
    try:
        for name, content in _files(path):
            parts = PurePosixPath(name).parts
            if len(parts) < 3 or PurePosixPath(name).suffix.lower() not in SUFFIXES:
                continue
            classes.add(parts[-2])
            if parts[-3] == split:
                total += len(content)
                if total > _LARGEST_SET:
                    raise ValueError(f"packed images: {path} must hold at most {_LARGEST_SET:,} bytes of a split.")
                found[parts[-2], name] = content
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"packed images: {path} must be a whole tar file: {error}. Fetch it again.") from error
    if not found:
        raise ValueError(f"packed images: {path} must hold {split}/CLASS/IMAGE; it holds none.")
    names = tuple(sorted(classes))
    shape = (3, image_size, image_size)
    ordered = sorted(found)
    images = torch.stack(
        [decode(io.BytesIO(found[key]), f"{key[1]} of {path}", shape, rescale=False) for key in ordered]
    )
    labels = torch.tensor([names.index(name) for name, _ in ordered])
    return ImageData(images, labels, names)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isdir():
                continue
            name = PurePosixPath(member.name)
            if not member.isfile() or name.is_absolute() or ".." in name.parts:
                raise ValueError(f"packed images: {path} must hold files inside it alone; {member.name!r} is a link, a "
                                 "device or leads outside. It was not opened.")  # fmt: skip
            if member.size > _LARGEST_FILE:
                raise ValueError(
                    f"packed images: files must have at most {_LARGEST_FILE:,} bytes; {member.name!r} of {path} has "
                    f"{member.size:,}."
                )
            content = archive.extractfile(member)
            assert content is not None, "a regular file has content"
            yield member.name, content.read()
