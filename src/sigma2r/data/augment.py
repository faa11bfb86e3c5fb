"""Random changes of training images: shift, rotation, flips; a whole batch at once, on its device.

The paper (section 5.1) names random cropping, random rotation and vertical/horizontal flipping, without sizes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sigma2r._suggest import unknown
from sigma2r._values import Rule, converted


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far training images are changed.

    Args:
        crop: Random shift by up to so many pixels each way; black moves in (padding by it, then random cropping).
        rotation: Random rotation by up to so many degrees each way, one angle for each image.
        horizontal_flip: Probability of a left-right flip.
        vertical_flip: Probability of an upside-down flip.

    Raises:
        ValueError: If a value is negative, or a probability above 1.
    """

    crop: int = 0
    rotation: float = 0.0
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0

    def __post_init__(self) -> None:
        """Convert what was given, and refuse what makes no sense."""
        for name, wanted in _WANTED.items():
            object.__setattr__(self, name, converted("Augmentation", name, wanted, getattr(self, name)))

    def changed(self, values: Mapping[str, Any]) -> "Augmentation":
        """These settings with some others, by their names.

        Raises:
            ValueError: If one is unknown, or makes no sense.
        """
        for name in values:
            if name not in _WANTED:
                raise unknown("setting of augmentation", str(name), _WANTED)
        return replace(self, **values)


_PIXELS = Rule("be a whole number of at least 0", lambda value: 0 <= value <= 16384 and value % 1 == 0)
_DEGREES = Rule("lie in [0, 180]", lambda value: 0 <= value <= 180)
_PROBABILITY = Rule("lie in [0, 1]", lambda value: 0 <= value <= 1)
_WANTED: dict[str, Any] = {
    "crop": Annotated[int, _PIXELS],
    "rotation": Annotated[float, _DEGREES],
    "horizontal_flip": Annotated[float, _PROBABILITY],
    "vertical_flip": Annotated[float, _PROBABILITY],
}


def describe_augmentation(augmentation: Augmentation) -> str:
    """What happens to training images, in a sentence to read before training starts.

    Example:
        >>> print(describe_augmentation(Augmentation(crop=4, horizontal_flip=0.5)))
        Training images are shifted by up to 4 pixels and flipped left to right with probability 0.5. Where a mirror image means something else, as an arrow does, add --augmentation.horizontal_flip 0.
    """  # noqa: E501 - the sentence is one line
    done, warned = [], []
    if augmentation.crop:
        done.append(f"shifted by up to {augmentation.crop} pixel{'s' * (augmentation.crop > 1)}")
    if augmentation.rotation:
        done.append(f"turned by up to {augmentation.rotation:g} degrees")
    for name, way in (("horizontal_flip", "left to right"), ("vertical_flip", "upside down")):
        if probability := getattr(augmentation, name):
            done.append(f"flipped {way} with probability {probability:g}")
            warned.append(f"--augmentation.{name} 0")
    if not done:
        return "Training images are not augmented."
    listed = " and ".join(filter(None, [", ".join(done[:-1]), done[-1]]))
    if not warned:
        return f"Training images are {listed}, and not flipped."
    return (
        f"Training images are {listed}. Where a mirror image means something else, as an arrow does, add "
        f"{' '.join(warned)}."
    )


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each image of a batch in its own random way.

    Args:
        images: Pixels, shape ``(N, ch, H, W)``, floating-point, on any device.
        augmentation: How far.
        generator: A CPU generator: the N random choices of each kind are drawn there, so that they are the same
            whatever the device; only they travel.

    Returns:
        New images of the same shape; the same tensor if there is nothing to change. Rotation interpolates
        bilinearly; without rotation pixels are moved exactly.
    """
    count = images.shape[0]
    shift_x, shift_y = _whole(count, augmentation.crop, generator), _whole(count, augmentation.crop, generator)
    angle = math.radians(augmentation.rotation) * (2 * torch.rand(count, generator=generator) - 1)
    flip_x = torch.rand(count, generator=generator) < augmentation.horizontal_flip
    flip_y = torch.rand(count, generator=generator) < augmentation.vertical_flip
    if augmentation.rotation > 0:
        return _resample(images, angle, shift_x, shift_y, flip_x, flip_y)
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
    images: Tensor, angle: Tensor, shift_x: Tensor, shift_y: Tensor, flip_x: Tensor, flip_y: Tensor
) -> Tensor:
    """Rotate about the center, shift and flip in one bilinear pass; outside is black.

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

    x = torch.arange(width, device=images.device, dtype=kind) - (width - 1) / 2
    y = (torch.arange(height, device=images.device, dtype=kind) - (height - 1) / 2).unsqueeze(1)
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
