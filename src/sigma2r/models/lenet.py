"""LeNet with PReLU, as the paper uses it on small images."""

from torch import Tensor, nn

from sigma2r.models.layers import MaxPool2x2, PReLU

_CLASSIC = 32  # pixels a side that LeNet was drawn for; smaller images are padded up to it


class LeNet(nn.Module):
    """Two convolutions and two fully connected layers; the features are what the last PReLU receives.

    Convolutions of 6 and 16 channels with 5 x 5 kernels, each with PReLU and 2 x 2 max pooling; a fully connected
    layer of 120 with PReLU; then ``feature_dim`` features; PReLU and a linear layer give the logits.

    Args:
        in_channels: Channels of the images.
        image_size: Pixels a side; images smaller than 32 are padded as if they were 32, 28 by 2 on each side.
        num_classes: C.
        feature_dim: D; 84 in LeNet, 2 for plots.

    Example:
        >>> import torch
        >>> features, logits = LeNet(in_channels=1, image_size=28, num_classes=10)(torch.zeros(5, 1, 28, 28))
        >>> features.shape, logits.shape
        (torch.Size([5, 84]), torch.Size([5, 10]))
    """

    def __init__(self, in_channels: int, image_size: int, num_classes: int, feature_dim: int = 84) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        padding = max(0, -(-(_CLASSIC - image_size) // 2))
        side = ((image_size + 2 * padding - 4) // 2 - 4) // 2
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=padding),
            PReLU(),
            MaxPool2x2(),
            nn.Conv2d(6, 16, 5),
            PReLU(),
            MaxPool2x2(),
            nn.Flatten(),
            nn.Linear(16 * side * side, 120),
            PReLU(),
            nn.Linear(120, feature_dim),
        )
        self.head = nn.Sequential(PReLU(), nn.Linear(feature_dim, num_classes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, D) and logits (N, C) of images (N, ch, H, W)."""
        features = self.body(images)
        return features, self.head(features)
