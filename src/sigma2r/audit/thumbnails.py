"""Images in small, as PNG, for a page that holds them."""

import io

from torch import Tensor

SIDE = 96
"""Pixels of the longer side, at most."""


def thumbnail(pixels: Tensor) -> bytes:
    """An image as PNG, its longer side scaled down to :data:`SIDE` pixels; a smaller one stays as it is.

    Args:
        pixels: Shape ``(ch, H, W)``, uint8, of 1 channel, of 3, or of others, of which the first is shown in gray.
    """
    from PIL import Image

    shown = pixels if pixels.shape[0] == 3 else pixels[:1]
    channels, height, width = shown.shape
    content = shown.permute(1, 2, 0).contiguous().cpu().numpy().tobytes()
    image = Image.frombytes("RGB" if channels == 3 else "L", (width, height), content)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()
