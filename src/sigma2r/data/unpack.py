"""A compressed file read forwards, of which no more is unpacked at a time than was granted."""

import bz2
import gzip
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_STEP = 2**20
_MAGIC: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\0": lzma.open, b"BZh": bz2.open}


class Metered:
    """Reads forwards; whoever reads is granted bytes first.

    Args:
        file: Opened for reading.
        most: The most bytes that it may unpack to.
    """

    def __init__(self, file: Any, most: int) -> None:
        self.file, self.most = file, most
        self.position = self.granted = 0
        self.last = b""

    def grant(self, size: int) -> None:
        """Let so many bytes be read from here, and no more."""
        self.granted = size

    def tell(self) -> int:
        """How many bytes were read or left out."""
        return self.position

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            ValueError: If they were not granted, or too many have been unpacked.
        """
        if not 0 <= size <= self.granted:
            raise ValueError(f"an entry has {size:,} bytes where at most {self.granted:,} make sense")
        self.granted -= size
        self.last = self._next(size)
        return self.last

    def seek(self, position: int) -> int:
        """Leave out what lies between; there is no way back."""
        while self.position < position and self._next(min(_STEP, position - self.position)):
            pass
        return self.position

    def drain(self) -> None:
        """Read to the end: there lies the checksum."""
        while self._next(_STEP):
            pass

    def _next(self, size: int) -> bytes:
        content: bytes = self.file.read(size)
        self.position += len(content)
        if self.position > self.most:
            raise ValueError(f"it unpacks to more than {self.most:,} bytes")
        return content


@contextmanager
def unpacked(path: Path, most: int) -> Iterator[Metered]:
    """A file, plain or compressed by gzip, xz or bzip2, as its first bytes tell."""
    with path.open("rb") as file:
        head = file.read(6)
    opener = next((opener for magic, opener in _MAGIC.items() if head.startswith(magic)), open)
    with opener(path, "rb") as file:
        yield Metered(file, most)
