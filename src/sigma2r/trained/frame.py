"""What a trained network takes: images of one shape in 8 bits, made of whatever a user has by the rules of training."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from sigma2r._extras import or_which_extra
from sigma2r.data.formats import opened, readable, refuse_no_file
from sigma2r.data.names import RefusedError
from sigma2r.data.pixels import (
    EIGHT_BITS,
    PixelRange,
    depth,
    has_more_frames,
    is_cut_to_8_bits,
    is_gray,
    pixels_of,
)
from sigma2r.data.resize import Resize

if TYPE_CHECKING:
    from PIL import Image

COLOURS = "have channels of colour, of which the network, trained on gray images, sees the brightness alone"
WIDE = "have more than 8 bits, of which the 8 highest are kept"
CUT = "have 16 bits in colours or with transparency, of which the 8 highest are kept"
PAGED = "have several frames or pages, of which the first is used"
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by channels
_KEPT = ("format", "tag_v2")  # what an image knows of its file, and a copy of it does not


Scaling = Literal["crop", "stretch", "refuse"]
"""What becomes of images of another size than the network's: see :func:`~sigma2r.trained.load`."""


@dataclass(frozen=True)
class Frame:
    """The images that a network was trained on, as far as others must be like them.

    Args:
        image_shape: Channels, height and width.
        resize: How an image of another size is scaled, ``"crop"`` or ``"stretch"``; None: it is refused.
        pixel_range: Values of black and of white, for gray images of more than 8 bits.
    """

    image_shape: tuple[int, int, int]
    resize: Resize | None
    pixel_range: PixelRange | None = None

    def scaled(self, scaling: Scaling | None) -> "Frame":
        """The same with another rule for images of another size; as it is if none is given."""
        return self if scaling is None else replace(self, resize=None if scaling == "refuse" else scaling)

    def of_file(self, path: str) -> tuple[Tensor, list[str]]:
        """The pixels of an image file, uint8 of the frame's shape, and what of it is not seen.

        Raises:
            ValueError: Naming the file, if it cannot be read, has another size, or its values need a range.
        """
        refuse_no_file(path)
        with opened(path, path) as image:
            lost = self._lost(image, path)
            return self._pixels(image, path), lost

    def of_image(self, image: "Image.Image", name: str) -> tuple[Tensor, list[str]]:
        """The same of an image of Pillow's, which stays as it is.

        Args:
            image: Open, or in memory.
            name: What errors call it.

        Raises:
            ValueError: As :meth:`of_file`.
        """
        with readable(name):
            lost = self._lost(image, name)
            own = image.copy()
            for key in _KEPT:
                if hasattr(image, key):
                    setattr(own, key, getattr(image, key))
            return self._pixels(own, name), lost

    def of_pixels(self, pixels: Tensor, name: str) -> tuple[Tensor, list[str]]:
        """The same of pixels of 1, 3 or 4 channels (gray, RGB, RGBA), uint8, shape ``(ch, H, W)``.

        Raises:
            ValueError: If they have another size, or as many channels as no image of Pillow's.
        """
        if tuple(pixels.shape) == self.image_shape:
            return pixels, []
        with or_which_extra("bringing images to a size"):
            from PIL import Image

        channels, height, width = pixels.shape
        if channels not in _MODES or self.image_shape[0] not in _MODES:
            raise RefusedError(
                f"{name} must have {self.image_shape[0]} channels, as the images of the training; it has {channels}."
            )
        content = pixels.permute(1, 2, 0).contiguous().cpu().numpy().tobytes()
        return self.of_image(Image.frombytes(_MODES[channels], (width, height), content), name)

    def _pixels(self, image: "Image.Image", name: str) -> Tensor:
        return pixels_of(
            image,
            name,
            self.image_shape,
            rescale=self.resize is not None,
            resize=self.resize or "stretch",
            pixel_range=self.pixel_range,
            remedy="resize='crop' (--resize crop) scales it until the shorter side fits, and takes the middle.",
            range_remedy="Convert it to 8 bits, as the images of the training, or train with --pixel_range.",
        )

    def _lost(self, image: "Image.Image", name: str) -> list[str]:
        """What the network does not see of an image whose header is read."""
        if self.image_shape[0] not in (1, 3):
            raise RefusedError(
                f"{name} must have {self.image_shape[0]} channels, as the images of the training; image files have 1 "
                "or 3."
            )
        wide = depth(image) != EIGHT_BITS
        if self.pixel_range is not None and not wide:
            low, high = self.pixel_range
            raise RefusedError(
                f"{name} must have values of more than 8 bits, for which the training had the pixel_range "
                f"[{low:g}, {high:g}]; it has 8 bits."
            )
        said = {
            COLOURS: self.image_shape[0] == 1 and not is_gray(image),
            WIDE: wide and self.pixel_range is None,
            CUT: is_cut_to_8_bits(image),
            PAGED: has_more_frames(image),
        }
        return [what for what, holds in said.items() if holds]


def as_8_bits(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels as 8 bits, and which images have values that are none.

    Args:
        pixels: Shape ``(N, ch, H, W)``: uint8 as it is; or floating-point in [0, 1], 0 black, rounded to 8 bits, so
            that an image that was divided by 255 is what it was. Half a step beyond an end counts as the end.

    Returns:
        uint8 of the same shape, and a truth value for each image, True where a value is NaN or lies outside.
    """
    if pixels.dtype == torch.uint8:
        return pixels, torch.zeros(pixels.shape[0], dtype=torch.bool, device=pixels.device)
    steps = 255 * pixels.to(torch.promote_types(pixels.dtype, torch.float32))
    outside = ~((steps >= -0.5) & (steps <= 255.5)).flatten(1).all(1)
    return steps.nan_to_num(0.0).round().clamp(0, 255).to(torch.uint8), outside
