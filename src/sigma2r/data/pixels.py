"""From an image file to 8-bit pixels as a person sees them: one rule for every mode of Pillow.

Orientation is applied and palettes are looked up; what is transparent lies on white; of several frames or pages the
first counts. Integers of more than 8 bits keep their 8 highest; values whose black and white the file does not tell
(floats, 32-bit and signed integers) need a ``pixel_range``.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from torch import Tensor

from sigma2r._values import converted
from sigma2r.data.formats import opened
from sigma2r.data.names import RefusedError
from sigma2r.data.resize import Resize, resized

if TYPE_CHECKING:
    from PIL import Image

PixelRange = tuple[float, float]
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
WIDE = (*_SIXTEEN_BITS, "I", "F")  # modes of more than 8 bits
EIGHT_BITS, SIXTEEN_BITS = "8-bit", "16-bit"
_GRAY = (*WIDE, "1", "L", "LA", "La")
_PAGED = {"AVIF", "DCX", "FLI", "GIF", "MPO", "PNG", "TIFF", "WEBP"}  # frames of others are parts of one picture
_WHITE_IS_ZERO = 0
_PHOTOMETRIC, _BITS, _SAMPLE_FORMAT = 262, 258, 339  # tags of TIFF
_UNSIGNED, _SIGNED = 1, 2
_DEEP = re.compile(r";16[BLN]")  # how Pillow calls 16 bits a channel in a file; BGR;16 is 16 bits a pixel
_OF_UNKNOWN_SIGN = ("FITS", "MCIDAS")  # Pillow reads their 16 bits as unsigned; those of FITS are signed


SAY_RANGE = 'Say it: --pixel_range "[LOW, HIGH]".'


def as_pixel_range(values: Sequence[float] | None) -> PixelRange | None:
    """The values of black and of white as two floats.

    Raises:
        ValueError: If they are not two finite numbers, the first below the second.
    """
    if values is None:
        return None
    with suppress(ValueError):
        low, high = converted("pixel_range", "both", tuple[float, ...], values)
        if low < high:
            return low, high
    raise ValueError(
        "pixel_range must be two numbers, the values of black and of white, the first below the second; got "
        f"{values!r}."
    )


def read_pixels(
    source: Path | BinaryIO,
    name: str,
    shape: tuple[int, int, int],
    *,
    rescale: bool,
    resize: Resize = "stretch",
    pixel_range: PixelRange | None = None,
) -> Tensor:
    """One image as a network's input.

    Args:
        source: A path or an open file.
        name: What errors call it.
        shape: Channels (1 or 3), height and width of the result.
        rescale: Whether an image of another size is scaled or refused.
        resize: How it is scaled: see :func:`~sigma2r.data.resize.resized`.
        pixel_range: Values of black and of white, for gray images of more than 8 bits.

    Returns:
        Pixels, uint8, shape ``(ch, H, W)``.

    Raises:
        ValueError: Naming the file, if Pillow cannot read it, it has another size, or its values need a range.
    """
    with opened(source, name) as image:
        return pixels_of(image, name, shape, rescale=rescale, resize=resize, pixel_range=pixel_range)


def pixels_of(
    image: "Image.Image",
    name: str,
    shape: tuple[int, int, int],
    *,
    rescale: bool,
    resize: Resize = "stretch",
    pixel_range: PixelRange | None = None,
    remedy: str = "--image-size {} scales all alike.",
    range_remedy: str = SAY_RANGE,
) -> Tensor:
    """:func:`read_pixels` of an image whose header is read, which is turned upright in place.

    Args:
        image: From :func:`opened`, within its block.
        name: What errors call it.
        shape: Channels (1 or 3), height and width of the result.
        rescale: Whether an image of another size is scaled or refused.
        resize: How it is scaled: see :func:`~sigma2r.data.resize.resized`.
        pixel_range: Values of black and of white, for gray images of more than 8 bits.
        remedy: What a refusal of another size advises; the height stands for its braces.
        range_remedy: What a refusal of values that need a range advises.

    Raises:
        ValueError: Naming the image, if it has another size, or its values need a range.
    """
    channels, height, width = shape
    if not rescale and sorted(image.size) != sorted((width, height)):  # before anything is decoded
        raise _wrong_size(name, image.size, width, height, remedy)
    image = as_seen(image, name, gray=channels == 1, pixel_range=pixel_range, range_remedy=range_remedy)
    if image.size != (width, height):
        if not rescale:
            raise _wrong_size(name, image.size, width, height, remedy)
        image = resized(image, width, height, resize)
    content = bytearray(image.tobytes())
    return torch.frombuffer(content, dtype=torch.uint8).view(height, width, channels).permute(2, 0, 1)


def as_seen(
    image: "Image.Image",
    name: str,
    *,
    gray: bool,
    pixel_range: PixelRange | None = None,
    range_remedy: str = SAY_RANGE,
) -> "Image.Image":
    """The image in 8 bits, upright and opaque.

    Args:
        image: From :func:`opened`, within its block.
        name: What errors call it.
        gray: Whether the result is of mode L; otherwise it is of mode RGB.
        pixel_range: Values of black and of white, for gray images of more than 8 bits.
        range_remedy: What a refusal of values that need one advises.

    Raises:
        ValueError: Naming the file, if its values need a range, are no numbers, or are signed unseen by Pillow.
    """
    _refuse_misread(image, name)
    image.load()
    turn_upright(image)
    if image.mode in WIDE:
        image = _in_8_bits(image, name, pixel_range, range_remedy)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        image = _on_white(image)
    if image.mode == "LAB":
        image = _from_lab(image)
    mode = "L" if gray else "RGB"
    return image if image.mode == mode else image.convert(mode)


def turn_upright(image: "Image.Image") -> None:
    """Turn and mirror an image as its EXIF data say; like other viewers, leave it as stored if they are damaged."""
    from PIL import ImageOps

    if not image.info and not hasattr(image, "tag_v2"):
        return  # nothing was read that could say so
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # the pixels are whole: load() came before
        return


def is_gray(image: "Image.Image") -> bool:
    """Whether an image whose header is read has no colours: by its mode, or by all entries of its palette."""
    if image.mode not in ("P", "PA"):
        return image.mode in _GRAY
    palette = image.getpalette("RGB") or []
    return palette[0::3] == palette[1::3] == palette[2::3]


def depth(image: "Image.Image") -> str:
    """What the values of an image are whose header is read: ``EIGHT_BITS``, ``SIXTEEN_BITS``, or what needs a range."""
    if image.mode not in WIDE:
        return EIGHT_BITS
    if image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return SIXTEEN_BITS
    return "floating-point" if image.mode == "F" else "32-bit or signed"


def is_cut_to_8_bits(image: "Image.Image") -> bool:
    """Whether Pillow itself keeps the 8 highest of 16 bits: of colours, and of gray with alpha."""
    return image.mode not in WIDE and any(_DEEP.search(str(tile[3])) for tile in getattr(image, "tile", ()))


def has_more_frames(image: "Image.Image") -> bool:
    """Whether there are frames or pages after the first, which alone is used."""
    return image.format in _PAGED and bool(getattr(image, "is_animated", False))


def wide_values(image: "Image.Image") -> Tensor:
    """The values of an image of more than 8 bits, as they are stored, shape (H * W,)."""
    if image.mode == "F":
        return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.float32)
    values = torch.frombuffer(bytearray(image.convert("I").tobytes()), dtype=torch.int32)
    unsigned = image.format == "TIFF" and _first(_tiff(image, _SAMPLE_FORMAT, _UNSIGNED)) == _UNSIGNED
    return values.long() & 0xFFFFFFFF if unsigned else values  # Pillow has no other 32 bits than signed ones


def _refuse_misread(image: "Image.Image", name: str) -> None:
    """Refuse signed values that Pillow gives as if they had no sign: -3 of 8 bits would be 253, nearly white."""
    tiff = image.mode != "I" and _first(_tiff(image, _SAMPLE_FORMAT, _UNSIGNED)) == _SIGNED
    if tiff or (image.format in _OF_UNKNOWN_SIGN and image.mode in _SIXTEEN_BITS):
        raise RefusedError(
            f"folder: {name} holds {depth(image)} values that are signed or may be, which Pillow reads as unsigned. "
            "Convert it to unsigned or 32-bit values."
        )


def _in_8_bits(image: "Image.Image", name: str, pixel_range: PixelRange | None, remedy: str) -> "Image.Image":
    from PIL import Image

    values = wide_values(image)
    if pixel_range is not None:
        low, high = pixel_range
        if not torch.isfinite(values).all():
            raise RefusedError(f"folder: {name} must hold finite values alone; it holds others. Take it out.")
        seen = ((values.double() - low) * (255 / (high - low))).round_()
    elif (kind := depth(image)) == SIXTEEN_BITS:
        seen = values >> (_bits(image) - 8)  # Pillow scales PGM files of any maximum to 16 bits
    else:
        raise RefusedError(
            f"folder: {name} holds {kind} values, and no file tells which of them are black and white; its own go from "
            f"{values.min().item():.6g} to {values.max().item():.6g}. "
            f"{remedy}"
        )
    seen = seen.clamp_(0, 255)
    if _tiff(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO:
        seen = 255 - seen
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        seen = torch.where(values == transparent, 255, seen)
    return Image.frombytes("L", image.size, seen.to(torch.uint8).numpy().tobytes())


def _bits(image: "Image.Image") -> int:
    """How many bits the values have: 12 in some TIFF files, elsewhere 16."""
    return _first(_tiff(image, _BITS, 16))


def _first(values: Any) -> int:
    return int(values[0]) if isinstance(values, tuple) else int(values)


def _tiff(image: "Image.Image", tag: int, default: int) -> Any:
    return getattr(image, "tag_v2", {}).get(tag, default)


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    key = image.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:  # of 16 bits, for colours of which Pillow keeps the 8 highest
        image.info["transparency"] = tuple(value >> 8 for value in key)
    layer = image.convert("RGBA")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(layer, mask=layer.getchannel("A"))
    return paper


def _from_lab(image: "Image.Image") -> "Image.Image":
    """Through a color profile: Pillow itself converts from LAB to nothing."""
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    seen = ImageCms.applyTransform(image, transform)
    assert seen is not None, "a transform that is not in place returns an image"
    return seen


def _wrong_size(name: str, size: tuple[int, int], width: int, height: int, remedy: str) -> RefusedError:
    return RefusedError(
        f"folder: {name} must have the size of the other images, {width} x {height}; it has {size[0]} x {size[1]}. "
        + remedy.format(height)
    )
