"""The idx format of the MNIST family, plain or gzipped, read with an answer to every kind of damage.

Two zero bytes, a byte for the element type (8 = uint8), a byte for the number of dimensions, each dimension as a
big-endian int32, then the elements.
"""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

_LARGEST = 2**30  # bytes of elements: twice EMNIST, and no more than a small file may unpack to


def read_idx(path: Path, dimensions: int) -> Tensor:
    """Read a file of uint8 elements with that many dimensions.

    Raises:
        ValueError: Naming the file, if it is cut off, damaged, too large, or not of this kind.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _elements(file, path, dimensions)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} must be a whole gzip file: {error}. Fetch it again.") from error


def _elements(file: gzip.GzipFile | BinaryIO, path: Path, dimensions: int) -> Tensor:
    expected = bytes([0, 0, 8, dimensions])
    size = 4 + 4 * dimensions
    head = file.read(size)
    if head[:4] != expected:
        raise ValueError(
            f"{path} must begin with the magic number {expected.hex()} (uint8, {dimensions} dimensions); it begins "
            f"with {head[:4].hex() or 'nothing'}. Is it another file?"
        )
    if len(head) < size:
        raise ValueError(f"{path} must hold a header of {size} bytes; it ends after {len(head)}. Fetch it again.")
    shape = struct.unpack(f">{dimensions}I", head[4:])
    count = prod(shape)
    if count > _LARGEST:
        raise ValueError(
            f"{path} must hold at most {_LARGEST:,} bytes; its header tells of {count:,}, shape {shape}. Is it another "
            "file?"
        )
    content = bytearray(file.read(count + 1))  # one more, which must not be there; the end has the checksum
    if len(content) != count:
        holds = f"{len(content):,}" if len(content) < count else "more"
        raise ValueError(
            f"{path} must hold {count:,} bytes for shape {shape}; it holds {holds}. Was it cut off? Fetch it again."
        )
    return torch.frombuffer(content, dtype=torch.uint8).view(shape) if count else torch.empty(shape, dtype=torch.uint8)
