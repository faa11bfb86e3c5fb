"""Arrays and tensors as images: which axis is which, told or refused, never guessed where two readings differ."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sigma2r._arrays import as_tensor, is_array
from sigma2r._shown import shown

_CHANNELS = (1, 3, 4)  # gray, RGB, RGBA


def as_images(value: Any, name: str, channels: int) -> Tensor:
    """Images of shape ``(N, ch, H, W)``, uint8 or floating-point; nothing is copied where none is needed.

    A tensor has its channels first, as in torch: ``(H, W)``, ``(ch, H, W)`` or ``(N, ch, H, W)``. An array has them
    last, as in NumPy and Pillow: ``(H, W)``, ``(H, W, ch)``, ``(N, H, W)`` or ``(N, H, W, ch)``.

    Args:
        value: A tensor, or an array of NumPy's or of whoever offers one.
        name: What errors call it.
        channels: Of the network's images; 1, 3 and 4 (gray, RGB, RGBA) are taken as well.

    Raises:
        ValueError: If its axes or its kind of numbers are others, or there is no image in it.

    Example:
        >>> as_images(torch.zeros(5, 3, 8, 8), "images", 3).shape
        torch.Size([5, 3, 8, 8])
    """
    if not (is_array(value) or (isinstance(value, Sequence) and not isinstance(value, (str, bytes)))):
        raise ValueError(
            f"images: {name} must be a path, an image of Pillow's, an array or a tensor; got {shown(value)}."
        )
    is_tensor = isinstance(value, Tensor)
    pixels = as_tensor("images", name, value)
    if not (pixels.dtype == torch.uint8 or pixels.is_floating_point()):
        raise ValueError(f"images: {name} must be uint8, or floating-point in [0, 1]; got {shown(value)}.")
    counts = {*_CHANNELS, channels}
    laid_out = _channels_first(pixels, counts) if is_tensor else _channels_last(pixels, counts)
    if laid_out is None:
        raise ValueError(
            f"images: {name} must have the axes {_wanted(is_tensor)}, with {_listed(counts)} channels; got "
            f"{shown(value)}.{_remedy(pixels, counts, is_tensor)}"
        )
    if not laid_out.numel():
        raise ValueError(f"images: {name} must hold pixels; got {shown(value)}.")
    return laid_out


def _channels_first(pixels: Tensor, counts: set[int]) -> Tensor | None:
    if pixels.ndim == 2:
        return pixels[None, None]
    if pixels.ndim == 3 and pixels.shape[0] in counts:
        return pixels[None]
    return pixels if pixels.ndim == 4 and pixels.shape[1] in counts else None


def _channels_last(pixels: Tensor, counts: set[int]) -> Tensor | None:
    if pixels.ndim == 2:
        return pixels[None, None]
    if pixels.ndim == 3 and pixels.shape[2] in counts:
        return pixels.permute(2, 0, 1)[None]
    if pixels.ndim == 3 and pixels.shape[0] not in counts:
        return pixels[:, None]
    return pixels.permute(0, 3, 1, 2) if pixels.ndim == 4 and pixels.shape[3] in counts else None


def _wanted(is_tensor: bool) -> str:
    return "(H, W), (ch, H, W) or (N, ch, H, W)" if is_tensor else "(H, W), (H, W, ch), (N, H, W) or (N, H, W, ch)"


def _listed(counts: set[int]) -> str:
    *most, last = sorted(counts)
    return f"{', '.join(map(str, most))} or {last}"


def _remedy(pixels: Tensor, counts: set[int], is_tensor: bool) -> str:
    """What was probably meant."""
    if is_tensor and pixels.ndim == 4 and pixels.shape[3] in counts:
        return " Did you mean images.permute(0, 3, 1, 2)?"
    if is_tensor and pixels.ndim == 3:
        if pixels.shape[2] in counts:
            return " Did you mean image.permute(2, 0, 1)?"
        return " Gray images are images.unsqueeze(1)."
    if not is_tensor and pixels.ndim == 4 and pixels.shape[1] in counts:
        return " Did you mean images.transpose(0, 2, 3, 1)?"
    if not is_tensor and pixels.ndim == 3:
        return " Did you mean image.transpose(1, 2, 0), or gray images, images[..., None]?"
    return ""
