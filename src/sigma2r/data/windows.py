"""Random resized crops: which part of an image is enlarged to the whole."""

import math

import torch
from torch import Tensor

_TRIES = 10
_LOG_RATIO = math.log(4 / 3)


def random_windows(count: int, least_area: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Windows as torchvision's ``RandomResizedCrop`` draws them, with real numbers for its whole pixels.

    The area is uniform in [``least_area``, 1], the logarithm of the ratio of width to height uniform in log [3/4, 4/3];
    the first of ten such pairs that fits is taken, the whole image if none does; its place is uniform.

    Args:
        count: How many.
        least_area: Smallest share of the area.
        generator: A CPU generator; it is asked for the same numbers whatever fits.

    Returns:
        Size and place of each window as shares of width and height, shapes ``(count, 2)``, float64: the place is that
        of the left upper corner.
    """
    area = least_area + (1 - least_area) * torch.rand(count, _TRIES, generator=generator, dtype=torch.float64)
    ratio = (_LOG_RATIO * (2 * torch.rand(count, _TRIES, generator=generator, dtype=torch.float64) - 1)).exp()
    sizes = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=2)
    fits = (sizes <= 1).all(2)
    first = fits.int().argmax(1)  # of equal ones the first
    chosen = torch.where(fits.any(1, keepdim=True), sizes[torch.arange(count), first], 1.0)
    return chosen, (1 - chosen) * torch.rand(count, 2, generator=generator, dtype=torch.float64)


def window_coordinates(size: Tensor, place: Tensor, pixels: int) -> Tensor:
    """Where each of ``pixels`` along a side is read from; what would lie between the border and a pixel is that pixel.

    Args:
        size: Shares of the side that windows have, shape ``(N,)``.
        place: Where they begin.
        pixels: Of the side, of the image and of the result alike.

    Returns:
        Coordinates in pixels, 0 for the middle of the first one, shape ``(N, pixels)``, float64.
    """
    middle = (torch.arange(pixels, dtype=torch.float64) + 0.5) * size.unsqueeze(1)
    return (middle + pixels * place.unsqueeze(1) - 0.5).clamp_(0, pixels - 1)
