"""A network of others that gives pooled features, with a head that is ours."""

from typing import Any

from torch import Tensor, nn


class Backbone(nn.Module):
    """Pooled features of a network of others, perhaps a linear map of them, and a linear head.

    Args:
        backbone: ``backbone(images) -> features (N, width)``; what ``--freeze`` and ``--backbone_lr`` speak of.
        width: Of its features.
        num_classes: C.
        feature_dim: D; the width takes the features as they are, any other number a linear layer after them.

    Example:
        >>> import torch
        >>> model = Backbone(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()), width=12, num_classes=5)
        >>> features, logits = model(torch.zeros(4, 3, 8, 8))
        >>> features.shape, logits.shape
        (torch.Size([4, 12]), torch.Size([4, 5]))
    """

    def __init__(self, backbone: nn.Module, width: int, num_classes: int, feature_dim: int | None = None) -> None:
        super().__init__()
        self.feature_dim = width if feature_dim is None else feature_dim
        self.backbone = backbone
        self.projection = nn.Identity() if self.feature_dim == width else nn.Linear(width, self.feature_dim)
        self.head = nn.Linear(self.feature_dim, num_classes)
        self.started_from: dict[str, Any] | None = None
        """Where its weights come from; None: it starts anew."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, D) and logits (N, C) of images (N, ch, H, W)."""
        features = self.projection(self.backbone(images))
        return features, self.head(features)
