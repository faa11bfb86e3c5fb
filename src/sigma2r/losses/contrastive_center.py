r"""Contrastive-center loss: the distance to the own center over the distances to all others.

Axes: N samples in the batch, C classes, D feature dimensions.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._values import Count, NotNegative, Positive, checked
from sigma2r.losses._batch import IGNORE_INDEX, prepare
from sigma2r.losses._centers import rows_of
from sigma2r.losses._checks import check_flag, check_positive
from sigma2r.losses._module import ClassLoss
from sigma2r.losses._precision import without_autocast
from sigma2r.losses._reduction import Reduction, check_reduction, reduce


def contrastive_center_loss(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    centers: Float[Tensor, "C D"],
    *,
    delta: float = 1.0,
    per_class: bool = False,
    weights: Float[Tensor, " N"] | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Half the squared distance to the own center over the sum of those to all other centers.

    .. math:: \ell_i = \frac{1}{2} \frac{\lVert x_i - c_{y_i} \rVert^2}
                                        {\sum_{j \ne y_i} \lVert x_i - c_j \rVert^2 + \delta}

    The sum costs O(N D + C D), not O(N C D): about the mean :math:`m` of the other centers it is
    :math:`(C - 1) \lVert x_i - m \rVert^2 + \sum_{j \ne y_i} \lVert c_j - m \rVert^2`, whose second part belongs to
    the class alone. Both are taken by direct differences.

    Args:
        features: Deep features :math:`x`, shape ``(N, D)``; half precision is computed in float32.
        labels: Class indices :math:`y` in ``[0, C)``, shape ``(N,)``.
        centers: Class centers :math:`c`, shape ``(C, D)``, in the units of ``features``.
        delta: Keeps the quotient finite, in squared feature units; the authors take 1.
        per_class: Divide the sum by C - 1: value and gradient then do not fall with the number of classes, and one
            weight serves 10 classes and 100.
        weights: A factor for each sample, shape ``(N,)``; the mean is then the weighted one.
        ignore_index: Rows with this label are as if they were not there.
        normalize: Divide each feature by its Euclidean length first; centers stay as they are.
        reduction: ``"none"``, ``"mean"`` over the N samples, or ``"sum"`` (the paper's form).

    Returns:
        Without unit; shape ``(N,)`` for ``"none"``, otherwise a scalar. With one class the sum is 0.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a setting makes no sense.

    Example:
        >>> features, centers = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [3.0]])
        >>> contrastive_center_loss(features, torch.tensor([0, 0]), centers, reduction="none")
        tensor([0.1000, 0.0000])

    Source: "Contrastive-center loss for deep neural networks", ICIP 2017, eq. 3; eq. 5 of arXiv 2009.08796. A
    much-copied implementation takes the quotient of two sums over the batch, with delta 1e-6: no factor leads from
    one to the other.
    """
    who = "contrastive_center_loss"
    check_positive(who, delta=delta)
    check_flag(who, per_class=per_class)
    check_reduction(who, reduction)
    with without_autocast(features):
        x, y, kept = prepare(
            who, features, labels, centers, weights=weights, ignore_index=ignore_index, normalize=normalize
        )
        y, c = y.to(x.device), centers.to(x.dtype)
        others = c.shape[0] - 1
        own = x - rows_of(c, y)
        if others:
            near = c.detach().mean(0)  # differences to a point near the centers keep the digits that an offset takes
            middle, scatter = _of_the_others(c - near)
            away = (x - near) - rows_of(middle, y)
        else:
            away, scatter = torch.zeros_like(x), torch.zeros_like(c[:, 0])
        # One scale above and below, so that squares do not overflow where their quotient does not.
        scale = torch.stack([own.detach().abs().amax(), away.detach().abs().amax()]).amax() if x.numel() else x.sum()
        scale = torch.where(scale.isfinite(), scale, 1.0).clamp_min(1.0)
        own, away = own / scale, away / scale
        rest = others * torch.linalg.vecdot(away, away) + rows_of(scatter, y) / scale / scale
        if per_class:
            rest = rest / max(others, 1)
        each = 0.5 * torch.linalg.vecdot(own, own) / (rest + delta / scale / scale)
        return reduce(each, reduction, kept, weights)


def _of_the_others(centers: Tensor) -> tuple[Tensor, Tensor]:
    """For each class the mean (C, D) of the other centers, and the sum of their squared distances to it (C,).

    With the mean of all, a = c - mean and S the sum of ||a||^2: the mean of the others is mean - a / (C - 1), and
    their scatter about it S - C / (C - 1) ||a||^2.
    """
    num_classes = centers.shape[0]
    mean = centers.mean(0)
    apart = centers - mean
    squared = torch.linalg.vecdot(apart, apart)
    scatter = squared.sum() - num_classes / (num_classes - 1) * squared
    return mean - apart / (num_classes - 1), scatter.clamp_min(0)


class ContrastiveCenterLoss(ClassLoss):
    """:func:`contrastive_center_loss` with learned centers, moved by the gradient.

    Args:
        num_classes: C.
        feature_dim: D.
        delta, per_class, ignore_index, normalize, reduction: See :func:`contrastive_center_loss`.
        center_std: Centers start from N(0, ``center_std``²).
        generator: Where their start is drawn from; default torch's global generator.

    Example:
        >>> loss = ContrastiveCenterLoss(num_classes=10, feature_dim=84)
        >>> loss(torch.randn(32, 84), torch.arange(32) % 10).shape
        torch.Size([])
    """

    function = staticmethod(contrastive_center_loss)
    settings = ("delta", "per_class", "ignore_index", "normalize", "reduction")

    @checked
    def __init__(
        self,
        num_classes: Count,
        feature_dim: Count,
        *,
        delta: Positive = 1.0,
        per_class: bool = False,
        ignore_index: int = IGNORE_INDEX,
        normalize: bool = False,
        reduction: Reduction = "mean",
        center_std: NotNegative = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            num_classes,
            feature_dim,
            ignore_index=ignore_index,
            normalize=normalize,
            reduction=reduction,
            center_std=center_std,
            generator=generator,
        )
        self.delta = delta
        self.per_class = per_class
