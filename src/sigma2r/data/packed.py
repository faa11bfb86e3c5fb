"""A tree of images packed into one tar file: train/CLASS/... and test/CLASS/..., read without unpacking to disk.

However small the file, what it unpacks to is bounded: headers, each file, all files together, the pixels kept.
"""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from sigma2r.data.formats import image_endings
from sigma2r.data.images import ImageData
from sigma2r.data.names import (
    OUTSIDE,
    PassedOver,
    RefusedError,
    check_class_names,
    ending,
    is_hidden,
    shown,
)
from sigma2r.data.pixels import read_pixels
from sigma2r.data.spelling import near_names, say_look_alikes
from sigma2r.data.unpack import Metered, unpacked

_LARGEST_HEADER = 2**18  # with the entries about it, such as a long name
_LARGEST_FILE = 8 * 2**20
_LARGEST_SET = 4 * 2**30  # unpacked
_MOST_PIXELS = 2**30  # bytes of a split, decoded
_SPLITS = ("train", "test")
_END = bytes(tarfile.BLOCKSIZE)  # a block of zeros


def packed_images(path: Path, split: str, image_size: int) -> ImageData:
    """Read a split of a packed tree; nothing is written anywhere, and nothing but its pixels is kept.

    Args:
        path: A tar file, plain or compressed.
        split: ``"train"`` or ``"test"``.
        image_size: Pixels a side that every image must have.

    Returns:
        RGB images in the order of class and name; classes in the order of their names.

    Raises:
        ValueError: If the file is damaged, holds a link, a path that leads outside or more bytes than a data set of
            small images has, other classes in train than in test, or no image of that split; or if an image cannot be
            read or has another size (named).
    """
    shape = (3, image_size, image_size)
    found: dict[tuple[str, str], Tensor] = {}
    classes: dict[str, set[str]] = {name: set() for name in _SPLITS}
    passed_over = PassedOver()
    for name, content in _files(path):
        place = _place(name, passed_over)
        if place is None:
            continue
        classes[place[0]].add(place[1])
        if place[0] != split:
            continue
        if (len(found) + 1) * 3 * image_size**2 > _MOST_PIXELS:
            raise ValueError(
                f"packed images: {shown(path)} must hold at most {_MOST_PIXELS:,} bytes of pixels a split."
            )
        said = f"{shown(name)} of {shown(path)}"
        found[place[1], name] = read_pixels(io.BytesIO(content), said, shape, rescale=False)
    passed_over.say(f"packed images: in {shown(path)}")
    if not found:
        raise ValueError(f"packed images: {shown(path)} must hold {split}/CLASS/IMAGE; it holds none.")
    differing = classes["train"] ^ classes["test"] if all(classes.values()) else set()
    if differing:
        raise ValueError(
            f"packed images: train/ and test/ of {shown(path)} must have the same classes; they differ in: "
            f"{', '.join(map(shown, sorted(differing)))}."
            + near_names(classes["test"], classes["train"], "test/", "train/")
        )
    names = tuple(sorted(classes[split]))
    check_class_names(names, str(path))
    if split == "train":
        say_look_alikes(names, f"packed images: {shown(path)}")
    ordered = sorted(found)
    labels = torch.tensor([names.index(name) for name, _ in ordered])
    return ImageData(torch.stack([found[key] for key in ordered]), labels, names)


def _place(name: str, passed_over: PassedOver) -> tuple[str, str] | None:
    """Split and class of a file, by the rules of folders; none if it is passed over."""
    parts = PurePosixPath(name).parts
    start = next((i for i, part in enumerate(parts) if part in _SPLITS), len(parts))
    if hidden := next(filter(is_hidden, parts), None):
        passed_over.hide(hidden, for_a_class=hidden in parts[start + 1 : -1][:1])
    elif len(parts) < start + 3:
        passed_over.add(OUTSIDE, parts[-1])
    elif ending(parts[-1]) not in image_endings():
        passed_over.end(parts[-1])
    else:
        return parts[start], parts[start + 1]
    return None


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, in the order of the archive."""
    try:
        with unpacked(path, most=_LARGEST_SET) as file:
            file.grant(_LARGEST_HEADER)
            with tarfile.open(fileobj=file, mode="r:") as archive:  # type: ignore[call-overload]
                while (member := archive.next()) is not None:
                    archive.members.clear()  # of a million headers none is needed again
                    archive.pax_headers.clear()
                    if not member.isdir():
                        yield member.name, _content(member, file, path)
                    file.grant(_LARGEST_HEADER)
            if file.last != _END:
                raise ValueError("its end is missing, or a header within it is damaged")
            file.drain()
    except RefusedError:
        raise
    except Exception as error:  # whatever tarfile or a decompressor stumbles over: TarError, LZMAError, OverflowError
        said = str(error) or type(error).__name__
        raise ValueError(f"packed images: {shown(path)} must be a whole tar file: {said}. Fetch it again.") from error


def _content(member: tarfile.TarInfo, file: Metered, path: Path) -> bytes:
    name = PurePosixPath(member.name)
    if not member.isreg() or name.is_absolute() or ".." in name.parts:
        raise RefusedError(f"packed images: {shown(path)} must hold files inside it alone; {shown(member.name)!r} is a "
                           "link, a device or leads outside. It was not opened.")  # fmt: skip
    if member.issparse():
        raise RefusedError(f"packed images: {shown(path)} must hold plain files; {shown(member.name)!r} is sparse. "
                           "Pack it without --sparse.")  # fmt: skip
    if member.size > _LARGEST_FILE:
        raise RefusedError(
            f"packed images: files must have at most {_LARGEST_FILE:,} bytes; {shown(member.name)!r} of {shown(path)} "
            f"has {member.size:,}."
        )
    file.seek(member.offset_data)
    file.grant(member.size)
    content = file.read(member.size)
    if len(content) < member.size:
        raise ValueError(f"it ends within {shown(member.name)!r}")
    return content
