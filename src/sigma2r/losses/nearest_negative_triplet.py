r"""Triplet loss with the nearest negative: every sample of the class nearer, by a margin, than any other class.

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


def nearest_negative_triplet_loss(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    *,
    margin: float = 1.0,
    weights: Float[Tensor, " N"] | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""The mean over a sample's positives of what the nearest negative lacks to being a margin farther away.

    .. math:: \ell_a = \frac{1}{|P_a|} \sum_{p \in P_a} \max(0, m + d_{ap} - \min_{n: y_n \ne y_a} d_{an})

    Args:
        features: Deep features, shape ``(N, D)``; half precision is computed in float32.
        labels: Class indices :math:`y`, shape ``(N,)``.
        margin: m, in feature units, at least 0.
        weights: A factor for each sample, shape ``(N,)``; the mean is then the weighted one.
        ignore_index: Rows with this label are as if they were not there.
        normalize: Divide each feature by its Euclidean length first.
        reduction: ``"none"``, ``"mean"`` over the samples that have a value, or ``"sum"``.

    Returns:
        Feature units; shape ``(N,)`` for ``"none"``, otherwise a scalar. A sample without a positive or without a
        negative has no value: 0. The gradient of d is taken as 0 where two points coincide.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a setting makes no sense.

    Example:
        >>> features, labels = torch.tensor([[0.0], [1.0], [1.5]]), torch.tensor([0, 0, 1])
        >>> nearest_negative_triplet_loss(features, labels, reduction="none")
        tensor([0.5000, 1.5000, 0.0000])

    Source: arXiv 2009.08796, eq. 6 and its text, which calls it triplet center loss. It takes samples, not centers:
    He et al.'s loss is :func:`triplet_center_loss`. Eq. 6 prints the sum over triplets.
    """
    who = "nearest_negative_triplet_loss"
    check_not_negative(who, margin=margin)
    check_reduction(who, reduction)
    with without_autocast(features):
        x, y, kept = prepare(who, features, labels, weights=weights, ignore_index=ignore_index, normalize=normalize)
        pairs = pairs_of(x, y, kept)
        if not x.shape[0]:
            return reduce(x.sum(1), reduction)
        distance = pairs.distance()
        positives, has_other = pairs.same.sum(1), pairs.other.any(1)
        nearest = torch.where(pairs.other, distance, torch.inf).amin(1)
        nearest = torch.where(has_other, nearest, 0.0).unsqueeze(1)
        hinges = torch.where(pairs.same, (margin + distance - nearest).clamp_min(0), 0.0)
        each = (hinges / positives.clamp_min(1).unsqueeze(1)).sum(1)
        return reduce(each, reduction, (positives > 0) & has_other, weights)


class NearestNegativeTripletLoss(FeatureLoss):
    """:func:`nearest_negative_triplet_loss`; it learns nothing.

    Args:
        margin: m.
        ignore_index, normalize, reduction: See :func:`nearest_negative_triplet_loss`.

    Example:
        >>> loss = NearestNegativeTripletLoss(margin=1.0)
        >>> loss(torch.randn(32, 84), torch.arange(32) % 10).shape
        torch.Size([])
    """

    function = staticmethod(nearest_negative_triplet_loss)
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
