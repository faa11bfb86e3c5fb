"""The idx format of the MNIST family, plain or gzipped, read with an answer to every kind of damage.

Two zero bytes, a byte for the element type (8 = uint8), a byte for the number of dimensions, each dimension as a
big-endian int32, then the elements.
"""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import torch
from torch import Tensor


def read_idx(path: Path, dimensions: int) -> Tensor:
    """Read a file of uint8 elements with that many dimensions.

    Raises:
        ValueError: Naming the file, if it is cut off, damaged, or not of this kind.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} must be a whole gzip file: {error}. Fetch it again.") from error
    expected = bytes([0, 0, 8, dimensions])
    if content[:4] != expected:
        raise ValueError(
            f"{path} must begin with the magic number {expected.hex()} (uint8, {dimensions} dimensions); it begins "
            f"with {content[:4].hex() or 'nothing'}. Is it another file?"
        )
    head = 4 + 4 * dimensions
    if len(content) < head:
        raise ValueError(f"{path} must hold a header of {head} bytes; it ends after {len(content)}. Fetch it again.")
    shape = struct.unpack(f">{dimensions}i", content[4:head])
    if len(content) - head != prod(shape):
        raise ValueError(
            f"{path} must hold {prod(shape):,} bytes for shape {shape}; it holds {len(content) - head:,}. "
            "Was it cut off? Fetch it again."
        )
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=head).view(shape)
