"""Images that fit into memory: uint8, so that a whole data set lives on the training device."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor


@dataclass(frozen=True)
class ImageData:
    """One split of a data set.

    Args:
        images: Pixels, shape ``(N, ch, H, W)``, uint8.
        labels: Class indices, shape ``(N,)``, int64.
        class_names: One name for each class.
        paths: The file of each image, where it comes from one; otherwise none.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    paths: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return self.labels.shape[0]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width
