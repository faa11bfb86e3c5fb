r"""Contrastive loss: pairs of one class together, pairs of two classes at least a margin apart.

Axes: N samples in the batch, D feature dimensions.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._values import NotNegative, checked
from sigma2r.losses._batch import IGNORE_INDEX, prepare
from sigma2r.losses._checks import check_not_negative
from sigma2r.losses._module import FeatureLoss
from sigma2r.losses._pairs import pairs_of
from sigma2r.losses._precision import without_autocast
from sigma2r.losses._reduction import Reduction, check_reduction, reduce


def contrastive_loss(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    *,
    margin: float = 1.0,
    weights: Float[Tensor, " N"] | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""The mean over all others of their distance, or of what it lacks to the margin.

    .. math:: \ell_i = \frac{1}{N - 1} \sum_{j \ne i}
              \begin{cases} d_{ij} & y_j = y_i \\ \max(0, m - d_{ij}) & y_j \ne y_i \end{cases}

    Args:
        features: Deep features, shape ``(N, D)``; half precision is computed in float32.
        labels: Class indices :math:`y`, shape ``(N,)``.
        margin: m, in feature units, at least 0.
        weights: A factor for each sample, shape ``(N,)``; the mean is then the weighted one.
        ignore_index: Rows with this label are as if they were not there.
        normalize: Divide each feature by its Euclidean length first.
        reduction: ``"none"``, ``"mean"`` over the samples that have a value, or ``"sum"``.

    Returns:
        Feature units; shape ``(N,)`` for ``"none"``, otherwise a scalar. A sample alone has no value: 0. The
        gradient of d is taken as 0 where two points coincide.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a setting makes no sense.

    Example:
        >>> features, labels = torch.tensor([[0.0], [1.0], [1.5]]), torch.tensor([0, 0, 1])
        >>> contrastive_loss(features, labels, reduction="none")
        tensor([0.5000, 0.7500, 0.2500])

    Source: arXiv 2009.08796, eq. 7, after Lian et al. 2018. Distances are *not* squared, other than in Hadsell et
    al. 2006 (half d squared, half the squared hinge). pytorch-metric-learning 2.9 takes these terms of unit-length
    features, and the mean over non-zero paired and over non-zero unpaired terms separately.
    """
    who = "contrastive_loss"
    check_not_negative(who, margin=margin)
    check_reduction(who, reduction)
    with without_autocast(features):
        x, y, kept = prepare(who, features, labels, weights=weights, ignore_index=ignore_index, normalize=normalize)
        pairs = pairs_of(x, y, kept)
        distance = pairs.distance()
        each = torch.where(pairs.same, distance, torch.where(pairs.other, (margin - distance).clamp_min(0), 0.0))
        count = (pairs.same | pairs.other).sum(1)
        return reduce((each / count.clamp_min(1).unsqueeze(1)).sum(1), reduction, count > 0, weights)


class ContrastiveLoss(FeatureLoss):
    """:func:`contrastive_loss`; it learns nothing.

    Args:
        margin: m.
        ignore_index, normalize, reduction: See :func:`contrastive_loss`.

    Example:
        >>> loss = ContrastiveLoss(margin=1.0)
        >>> loss(torch.randn(32, 84), torch.arange(32) % 10).shape
        torch.Size([])
    """

    function = staticmethod(contrastive_loss)
    settings = ("margin", "ignore_index", "normalize", "reduction")

    @checked
    def __init__(
        self,
        *,
        margin: NotNegative = 1.0,
        ignore_index: int = IGNORE_INDEX,
        normalize: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(ignore_index=ignore_index, normalize=normalize, reduction=reduction)
        self.margin = margin
