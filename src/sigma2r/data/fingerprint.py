"""What a data set means, in 16 hex digits: other images, labels or class names give another fingerprint."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from sigma2r.data._statuses import is_settled, statuses
from sigma2r.data.folder import FolderImages
from sigma2r.data.images import ImageData
from sigma2r.data.names import shown
from sigma2r.data.threads import mapped

_PART = 2**24  # bytes of pixels hashed at a time
_known: dict[bytes, str] = {}  # a hash of the statuses of a data set's files, and its fingerprint


def fingerprint(data: ImageData | FolderImages) -> str:
    """Name the content of a split: class names, labels, and the images in their order.

    Images in memory count by their pixels; images on disk by the bytes of their files and by what they are brought to.
    So one folder has two fingerprints, by whether it fits into memory. Where files lie, what they are called and when
    they were written does not count. All is read, some seconds a gigabyte; within a process, files whose sizes and
    times are as they were are not read again.

    Args:
        data: A split, as :func:`~sigma2r.data.load_images` returns it.

    Returns:
        16 hex digits.

    Raises:
        ValueError: Naming the file, if one cannot be read.

    Example:
        >>> data = ImageData(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), ("cat", "dog"))
        >>> fingerprint(data)
        'b17290ccea609850'
    """
    if isinstance(data, ImageData):
        return _sealed(data, {}, _hashed_pixels(data.images))
    settings: dict[str, object] = {"pixel_range": data.pixel_range and list(map(float, data.pixel_range))}
    if data.rescale and data.resize != "stretch":  # which it was before there was a choice
        settings["resize"] = data.resize
    known = statuses(data.paths)
    key = bytes.fromhex(_sealed(data, settings, [known.state]))
    if key not in _known:
        found = _sealed(data, settings, mapped(_hashed, data.paths))
        if not is_settled(known.newest):
            return found
        _known[key] = found
    return _known[key]


def _sealed(data: ImageData | FolderImages, settings: Mapping[str, object], parts: Iterable[bytes]) -> str:
    about = {"classes": data.class_names, "shape": data.image_shape, **settings}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    digest.update(data.labels.cpu().to(torch.int64).numpy().astype("<i8").tobytes())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def _hashed_pixels(images: Tensor) -> Iterator[bytes]:
    parts = torch.split(images.cpu(), max(1, _PART // max(1, images[:1].numel())))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda part: hashlib.sha256(part.contiguous().numpy().data).digest(), parts)


def _hashed(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ValueError(f"folder: {shown(path)} must be a readable image: {error.strerror}.") from error
