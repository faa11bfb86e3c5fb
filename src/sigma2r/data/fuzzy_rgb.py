"""Fuzzy-RGB: red, green and blue images of one noisy colour each, some of which are hard to tell apart.

Section 3.1 of arXiv 2009.08796. Each image has a single colour: the channel of its class between 20 and 100 % of
full intensity, the two others between 0 and 20 %. So the largest channel always names the class, however dark
the image; ambiguous are those whose channels nearly meet at 20 %.
"""

import torch
from torch import Tensor

from sigma2r.data.images import ImageData

CLASS_NAMES = ("red", "green", "blue")
IMAGES_PER_CLASS = {"train": 3000, "test": 500}  # the paper tells of 3,000 a class and of no test set
_SEEDS = {"train": 20_090, "test": 8_796}


def fuzzy_rgb(split: str, image_size: int = 32) -> ImageData:
    """Make a split; the same images on every machine.

    Args:
        split: ``"train"`` (3,000 images a class) or ``"test"`` (500), each from a seed of its own.
        image_size: Pixels a side.
    """
    generator = torch.Generator().manual_seed(_SEEDS[split])
    count = IMAGES_PER_CLASS[split]
    labels = torch.arange(len(CLASS_NAMES)).repeat_interleave(count)
    colours = 0.2 * torch.rand(len(labels), 3, generator=generator)
    main = 0.2 + 0.8 * torch.rand(len(labels), generator=generator)
    colours[torch.arange(len(labels)), labels] = main
    return ImageData(_uniform(colours, image_size), labels, CLASS_NAMES)


def _uniform(colours: Tensor, image_size: int) -> Tensor:
    pixels = (255 * colours).round().to(torch.uint8)
    return pixels[:, :, None, None].expand(-1, -1, image_size, image_size).contiguous()
