"""Random brightness, contrast and saturation of images, whose pixels go from 0 to 255."""

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow; torchvision writes 0.2989 for red


def recolor(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change each image's brightness, then its contrast, then its saturation, each by a factor of its own.

    As torchvision's ``adjust_brightness``, ``adjust_contrast`` and ``adjust_saturation`` in this order: the image is
    blended with black, with the mean of its gray, and with its gray; each time it is cut off at 0 and 255. Two
    departures: the mean is that of the image as it came, times the factor of brightness, and ``ColorJitter`` draws the
    order as well. So every sum behind a pixel is of whole numbers, or of two or three numbers, and no machine rounds it
    in another way.

    Args:
        images: Pixels as they were stored, whole numbers, shape ``(N, ch, H, W)``, floating-point, of one channel or
            three.
        strength: Factors are uniform in [1 - strength, 1 + strength].
        generator: A CPU generator.

    Returns:
        New images of the same shape.
    """
    count, channels = images.shape[:2]
    factors = 1 + strength * (2 * torch.rand(3, count, generator=generator, dtype=torch.float64) - 1)
    brightness, contrast, saturation = (each.to(images.device, images.dtype).view(count, 1, 1, 1) for each in factors)
    pixels = images.shape[2] * images.shape[3]
    means = images.double().sum((2, 3), keepdim=True) / pixels  # of whole numbers: in whatever order, the sum is exact
    mean = (_gray(means) * factors[0].to(images.device).view(count, 1, 1, 1)).to(images.dtype)
    changed = (images * brightness).clamp_(0, 255)
    changed = _blend(changed, mean, contrast)
    return changed if channels == 1 else _blend(changed, _gray(changed), saturation)


def _gray(images: Tensor) -> Tensor:
    """One channel, (N, 1, H, W)."""
    if images.shape[1] == 1:
        return images
    red, green, blue = (weight * images[:, index : index + 1] for index, weight in enumerate(_LUMA))
    return red + green + blue


def _blend(images: Tensor, others: Tensor, factor: Tensor) -> Tensor:
    """``factor`` of the images and the rest of the others."""
    return (images * factor + others * (1 - factor)).clamp_(0, 255)
