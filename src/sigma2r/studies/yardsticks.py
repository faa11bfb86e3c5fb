"""Losses of others that a study measures ours against, each by a well-kept implementation."""

import inspect
from collections.abc import Callable
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from sigma2r._call import parameters_of
from sigma2r._extras import or_which_extra
from sigma2r._suggest import unknown
from sigma2r._values import Count, Positive, checked

PML = "pml:"
"""How the names of losses of pytorch-metric-learning begin, as in ``pml:CosFaceLoss``."""

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
        _losses("arcface").ArcFaceLoss(num_classes=num_classes, embedding_size=feature_dim, margin=margin, scale=scale)
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
    return MetricLearningLoss(_losses("supcon").SupConLoss(temperature=temperature))


def theirs(name: str) -> Callable[..., nn.Module]:
    """What makes a loss of pytorch-metric-learning, of ``num_classes``, ``feature_dim`` and its own options.

    Distances, reducers, regularizers and the start of weights are the library's own for that loss: they are objects,
    which no description holds.

    Args:
        name: As in ``pml:CosFaceLoss``.

    Raises:
        ImportError: In one sentence, if pytorch-metric-learning is missing.
        ValueError: If it has no such loss; the nearest names are suggested.
    """
    losses = _losses(name)
    kinds = {key: kind for key, kind in vars(losses).items() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    kind = kinds.get(name.removeprefix(PML))
    if kind is None:
        raise unknown("loss of pytorch-metric-learning", name.removeprefix(PML), sorted(kinds))
    own = inspect.signature(kind).parameters
    parameters = [p for p in parameters_of(kind) if _can_be_said(p, is_its_own=p.name in own)]

    def make(**given: Any) -> nn.Module:
        sizes = {p.name: given.pop(_SIZES[p.name]) for p in parameters if _SIZES.get(p.name) in given}
        return MetricLearningLoss(kind(**sizes, **given))

    kept = [p.replace(name=_SIZES.get(p.name, p.name), kind=p.KEYWORD_ONLY) for p in parameters]
    make.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]
    return make


def _can_be_said(parameter: inspect.Parameter, *, is_its_own: bool) -> bool:
    """Whether a description can hold it; what a class before it wants without a default, the loss itself has given."""
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name in _OBJECTS:
        return False
    return parameter.name in _SIZES or is_its_own or parameter.default is not parameter.empty


_SIZES = {"num_classes": "num_classes", "embedding_size": "feature_dim", "descriptors_dim": "feature_dim"}
_OBJECTS = {
    *("distance", "reducer", "weight_init_func", "collect_stats"),
    *("embedding_regularizer", "embedding_reg_weight", "weight_regularizer", "weight_reg_weight"),
}


def _losses(who: str) -> Any:
    with or_which_extra(who):
        from pytorch_metric_learning import losses
    return losses


YARDSTICKS: dict[str, Callable[..., nn.Module]] = {"arcface": arcface, "supcon": supcon}
