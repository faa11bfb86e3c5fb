"""Which image formats are read, and the one way to open a file of them: every refusal names the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sigma2r._extras import or_which_extra
from sigma2r.data.names import RefusedError, ending

if TYPE_CHECKING:
    from PIL import Image

# Registered formats that Pillow cannot turn into pixels by itself: EPS wants Ghostscript, a program that runs what the
# file says; WMF wants Windows; the others are read by nobody, or are no images.
_NOT_READ = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "PDF"}

_IMAGES = "reading images"  # who needs Pillow
_READ_AS = {"MPO": "JPEG"}  # formats with endings of their own that open as another, which tells them apart by itself


def image_endings() -> dict[str, str]:
    """Each ending that Pillow registers, with its dot, of an image that it reads itself; and as what it opens it.

    Raises:
        ImportError: In one sentence, if Pillow is missing.
    """
    with or_which_extra(_IMAGES):
        from PIL import Image

    return _registered(len(Image.registered_extensions()), len(Image.OPEN))[0]


@lru_cache(maxsize=2)
def _registered(endings: int, formats: int) -> tuple[dict[str, str], list[str]]:
    """The endings, and the formats in the order in which they are tried; the same until a plugin registers more."""
    from PIL import Image

    registered = {suffix: _READ_AS.get(name, name) for suffix, name in Image.registered_extensions().items()}
    known = {suffix: name for suffix, name in registered.items() if name in Image.OPEN and name not in _NOT_READ}
    return known, [name for name in Image.ID if name in known.values()]


def _formats(file: str) -> list[str]:
    """The formats to try: first the one that the file's ending speaks of."""
    from PIL import Image

    endings, formats = _registered(len(Image.registered_extensions()), len(Image.OPEN))
    own = endings.get(ending(file))
    return formats if own is None else [own, *formats]


@contextmanager
def opened(source: str | Path | BinaryIO, name: str) -> Iterator["Image.Image"]:
    """An image whose header is read; whatever Pillow finds wrong inside the block is said with the file's name.

    Raises:
        ValueError: Naming the file.
        ImportError: In one sentence, if Pillow is missing.
    """
    with or_which_extra(_IMAGES):
        from PIL import Image

    with readable(name), Image.open(source, formats=_formats(str(source))) as image:
        yield image


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Whatever Pillow finds wrong with an image inside the block is said with the image's name.

    Raises:
        ValueError: Naming the image.
        ImportError: In one sentence, if Pillow is missing.
    """
    with or_which_extra(_IMAGES):
        from PIL import UnidentifiedImageError

    try:
        yield
    except RefusedError:
        raise
    except UnidentifiedImageError:
        raise RefusedError(
            f"folder: {name} must be a readable image: Pillow reads no format that begins like it. Repair it or take "
            "it out."
        ) from None
    except Exception as error:  # whatever a format's parser stumbles over: struct.error, KeyError, zlib.error, ...
        said = str(error).rstrip(". ") or type(error).__name__
        raise RefusedError(f"folder: {name} must be a readable image: {said}. Repair it or take it out.") from None
