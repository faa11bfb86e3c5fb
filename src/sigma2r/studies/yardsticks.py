"""Losses of others that a study measures ours against, each by a well-kept implementation."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from sigma2r._extras import or_which_extra
from sigma2r._values import Count, Positive, checked

LABEL_SMOOTHING = "label-smoothing"


class MetricLearningLoss(nn.Module):
    """A loss of pytorch-metric-learning, called as ``loss(features, labels)``.

    Args:
        loss: The loss, such as its ``SupConLoss()``.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, features: Float[Tensor, "N D"], labels: Int[Tensor, " N"]) -> Float[Tensor, ""]:
        """The loss of a batch."""
        value: Tensor = self.loss(features, labels)
        return value


@checked
def arcface(num_classes: Count, feature_dim: Count, *, margin: float = 28.6, scale: Positive = 64.0) -> nn.Module:
    """Additive angular margin beside the cross-entropy, with class weights of its own.

    Args:
        num_classes: C.
        feature_dim: D.
        margin: In degrees; 28.6 are the 0.5 rad of the source.
        scale: Of the cosines.

    Raises:
        ImportError: In one sentence, if pytorch-metric-learning is missing.

    Source: "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019. There it replaces the
    cross-entropy; here it is added with a weight, as all others are (eq. 11 of arXiv 2009.08796).
    """
    return MetricLearningLoss(
        _losses().ArcFaceLoss(num_classes=num_classes, embedding_size=feature_dim, margin=margin, scale=scale)
    )


@checked
def supcon(*, temperature: Positive = 0.1) -> nn.Module:
    """Supervised contrastive loss of normalised features, beside the cross-entropy.

    Args:
        temperature: By which cosines are divided.

    Raises:
        ImportError: In one sentence, if pytorch-metric-learning is missing.

    Source: "Supervised Contrastive Learning", NeurIPS 2020, with one view of each image.
    """
    return MetricLearningLoss(_losses().SupConLoss(temperature=temperature))


def _losses() -> Any:
    with or_which_extra("a loss of pytorch-metric-learning"):
        from pytorch_metric_learning import losses
    return losses


YARDSTICKS: dict[str, Callable[..., nn.Module]] = {"arcface": arcface, "supcon": supcon}
