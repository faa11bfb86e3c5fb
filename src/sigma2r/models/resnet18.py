"""torchvision's ResNet18, unchanged but for what must fit the data: its input channels and its last layers."""

from torch import Tensor, nn

from sigma2r._extras import or_which_extra


class ResNet18(nn.Module):
    """ResNet18 whose features are the pooled 512, or a linear map of them.

    Args:
        in_channels: Channels of the images; other than 3, the first convolution is made anew for them.
        num_classes: C.
        feature_dim: D; 512 takes the pooled features as they are, any other number a linear layer after them.

    Source: "Deep Residual Learning for Image Recognition", CVPR 2016; the paper trains it "without specific
    modifications", so its stem keeps stride and pooling made for large images.
    """

    def __init__(self, in_channels: int, num_classes: int, feature_dim: int = 512) -> None:
        super().__init__()
        with or_which_extra("resnet18"):
            from torchvision.models import resnet18

        self.feature_dim = feature_dim
        self.body = resnet18(weights=None)
        pooled = self.body.fc.in_features
        self.body.fc = nn.Identity() if feature_dim == pooled else nn.Linear(pooled, feature_dim)
        if in_channels != 3:
            self.body.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
            nn.init.kaiming_normal_(self.body.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.head = nn.Linear(feature_dim, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, D) and logits (N, C) of images (N, ch, H, W)."""
        features = self.body(images)
        return features, self.head(features)
