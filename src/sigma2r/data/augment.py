"""Random changes of training images: parts, shifts, rotations, flips, colors; a whole batch at once, on its device.

The paper (section 5.1) names random cropping, random rotation and vertical/horizontal flipping, without sizes.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sigma2r.data.augmentation import Augmentation, describe_augmentation
from sigma2r.data.recolor import recolor
from sigma2r.data.windows import random_windows, window_coordinates

__all__ = ["Augmentation", "augment", "describe_augmentation"]


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each image of a batch in its own random way.

    Args:
        images: Pixels, shape ``(N, ch, H, W)``, floating-point, on any device.
        augmentation: How far.
        generator: A CPU generator: the N random choices of each kind are drawn there, so that they are the same
            whatever the device; only they travel.

    Returns:
        New images of the same shape; the same tensor if there is nothing to change. Rotated or enlarged ones are
        interpolated bilinearly, once for all changes; otherwise pixels are moved exactly. Colors are changed first.
    """
    count = images.shape[0]
    shift_x, shift_y = _whole(count, augmentation.crop, generator), _whole(count, augmentation.crop, generator)
    angle = math.radians(augmentation.rotation) * (2 * torch.rand(count, generator=generator) - 1)
    flip_x = torch.rand(count, generator=generator) < augmentation.horizontal_flip
    flip_y = torch.rand(count, generator=generator) < augmentation.vertical_flip
    windows = None  # nothing more is drawn for what is not asked for, so that older runs stay as they were
    if augmentation.area < 1:
        windows = random_windows(count, augmentation.area, generator)
    if augmentation.color > 0:
        images = recolor(images, augmentation.color, generator)
    if augmentation.rotation > 0 or windows is not None:
        return _resample(images, windows, angle, shift_x, shift_y, flip_x, flip_y)
    if augmentation.crop or augmentation.horizontal_flip or augmentation.vertical_flip:
        return _move(images, augmentation.crop, shift_x, shift_y, flip_x, flip_y)
    return images


def _whole(count: int, most: int, generator: torch.Generator) -> Tensor:
    return torch.randint(-most, most + 1, (count,), generator=generator)


def _move(images: Tensor, crop: int, shift_x: Tensor, shift_y: Tensor, flip_x: Tensor, flip_y: Tensor) -> Tensor:
    """Shift and flip by reading each pixel from where it comes; outside is black."""
    count, channels, height, width = images.shape
    device = images.device
    padded = F.pad(images, (crop, crop, crop, crop)) if crop else images
    columns = _sources(width, crop, shift_x, flip_x).to(device)
    rows = _sources(height, crop, shift_y, flip_y).to(device)
    wide = width + 2 * crop
    flat = (rows.unsqueeze(2) * wide + columns.unsqueeze(1)).view(count, 1, height * width)
    return padded.flatten(2).gather(2, flat.expand(-1, channels, -1)).view_as(images)


def _sources(size: int, crop: int, shift: Tensor, flip: Tensor) -> Tensor:
    """Where each of ``size`` pixels is read from in the padded image, (N, size)."""
    place = torch.arange(size)
    place = torch.where(flip.unsqueeze(1), size - 1 - place, place)
    return place + crop + shift.unsqueeze(1)


def _resample(
    images: Tensor,
    windows: tuple[Tensor, Tensor] | None,
    angle: Tensor,
    shift_x: Tensor,
    shift_y: Tensor,
    flip_x: Tensor,
    flip_y: Tensor,
) -> Tensor:
    """Enlarge windows, rotate about the center, shift and flip in one bilinear pass; outside is black.

    By sums and products of two numbers alone, which every processor rounds in one way. torch's affine_grid and
    grid_sample add up in another order, or round less often, where the processor has other instructions; records of two
    machines then differ.
    """
    count, _, height, width = images.shape
    kind = torch.promote_types(images.dtype, torch.float32)
    sign_x, sign_y = 1.0 - 2.0 * flip_x, 1.0 - 2.0 * flip_y
    angle = angle.double()
    cos, sin = angle.cos(), angle.sin()

    def of_each(values: Tensor) -> Tensor:
        return values.to(images.device, kind).view(count, 1, 1)

    if windows is None:
        x = torch.arange(width, device=images.device, dtype=kind) - (width - 1) / 2
        y = (torch.arange(height, device=images.device, dtype=kind) - (height - 1) / 2).unsqueeze(1)
    else:
        size, place = windows
        x = window_coordinates(size[:, 0], place[:, 0], width).to(images.device, kind).unsqueeze(1) - (width - 1) / 2
        y = window_coordinates(size[:, 1], place[:, 1], height).to(images.device, kind).unsqueeze(2) - (height - 1) / 2
    # Where each pixel is read from, in an image with a black border of one pixel.
    source_x = of_each(cos * sign_x) * x - (of_each(sin * sign_y) * y - of_each(shift_x + (width + 1) / 2))
    source_y = of_each(sin * sign_x) * x + (of_each(cos * sign_y) * y + of_each(shift_y + (height + 1) / 2))
    return _between(F.pad(images.to(kind), (1, 1, 1, 1)), source_x, source_y).to(images.dtype)


def _between(bordered: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Each image at coordinates between its pixels, (N, H - 2, W - 2); those beyond the border are on it."""
    count, channels, height, width = bordered.shape
    x, y = x.clamp_(0, width - 1), y.clamp_(0, height - 1)
    left, top = x.floor().clamp_(max=width - 2), y.floor().clamp_(max=height - 2)
    index = (top * width + left).long().view(count, 1, -1).expand(-1, channels, -1)
    right, below = (x - left).view(count, 1, -1), (y - top).view(count, 1, -1)
    flat = bordered.flatten(2)
    corners = [flat[:, :, start:].gather(2, index) for start in (0, 1, width, width + 1)]
    upper = corners[1].sub_(corners[0]).mul_(right).add_(corners[0])
    lower = corners[3].sub_(corners[2]).mul_(right).add_(corners[2])
    return lower.sub_(upper).mul_(below).add_(upper).view(count, channels, height - 2, width - 2)
