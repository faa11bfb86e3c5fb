"""From uint8 images to what a network sees: augmented, if it trains, and normalised by channel."""

import torch
from torch import Tensor, nn

from sigma2r.data.augment import augment
from sigma2r.data.augmentation import Augmentation
from sigma2r.data.folder import FolderImages
from sigma2r.data.images import ImageData

_SAMPLE = 2_000  # images of a folder too large for memory that its mean is taken over


class Preprocess(nn.Module):
    """Scale each channel to mean 0 and standard deviation 1 over the training images.

    Args:
        mean: Mean of each channel, in [0, 255], shape ``(ch,)``.
        std: Standard deviation of each channel, shape ``(ch,)``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.view(1, -1, 1, 1))
        self.register_buffer("std", std.clamp_min(1e-3).view(1, -1, 1, 1))

    @classmethod
    def fitted_to(cls, data: ImageData | FolderImages, indices: Tensor) -> "Preprocess":
        """The normalisation of the images that ``indices`` names; of some 2,000 of them if they stay on disk."""
        if isinstance(data, ImageData):
            chunks = [data.images[rows] for rows in torch.split(indices, 4096)]
        else:
            step = max(1, indices.shape[0] // _SAMPLE)
            chunks = [data[int(i)][0].unsqueeze(0) for i in indices[::step]]
        pixels = sum(chunk.numel() // chunk.shape[1] for chunk in chunks)
        sums = [chunk.double().sum((0, 2, 3)) for chunk in chunks]
        mean = torch.stack(sums).sum(0) / pixels
        squares = [(chunk.double() - mean.view(1, -1, 1, 1)).square().sum((0, 2, 3)) for chunk in chunks]
        std = (torch.stack(squares).sum(0) / pixels).sqrt()
        return cls(mean.float(), std.float())

    def forward(
        self,
        images: Tensor,
        augmentation: Augmentation | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images (N, ch, H, W) uint8 to floats of the same shape; augmented where both arguments are given.

        Augmentation comes first, so that what it moves in from outside is black.
        """
        pixels = images.to(self.mean.dtype)
        if augmentation is not None and generator is not None:
            pixels = augment(pixels, augmentation, generator)
        return (pixels - self.mean).div_(self.std)
