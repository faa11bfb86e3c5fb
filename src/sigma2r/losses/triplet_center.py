r"""Triplet-center loss: the own center nearer, by a margin, than the nearest other.

Axes: N samples in the batch, C classes, D feature dimensions.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._values import Count, NotNegative, checked
from sigma2r.losses._batch import IGNORE_INDEX, prepare
from sigma2r.losses._centers import rows_of
from sigma2r.losses._checks import check_not_negative
from sigma2r.losses._func import scattered
from sigma2r.losses._module import ClassLoss
from sigma2r.losses._precision import without_autocast
from sigma2r.losses._reduction import Reduction, check_reduction, reduce

_CHUNK = 2**24  # distances from samples to centers that are held at once


def triplet_center_loss(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    centers: Float[Tensor, "C D"],
    *,
    margin: float = 5.0,
    weights: Float[Tensor, " N"] | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""What the nearest other center lacks to being a margin farther away than the own.

    .. math:: \ell_i = \max(0, m + D(x_i, c_{y_i}) - \min_{j \ne y_i} D(x_i, c_j)), \qquad
              D(a, b) = \tfrac{1}{2} \lVert a - b \rVert^2

    The minimum is over *all* C classes, whether or not they are in the batch. Once the nearest center n is found,
    the difference of the two distances is taken as half the inner product of c_n - c_y and (x - c_y) + (x - c_n):
    no large squares are subtracted.

    Args:
        features: Deep features :math:`x`, shape ``(N, D)``; half precision is computed in float32.
        labels: Class indices :math:`y` in ``[0, C)``, shape ``(N,)``.
        centers: Class centers :math:`c`, shape ``(C, D)``, in the units of ``features``.
        margin: m, in squared feature units, at least 0; the authors take 5.
        weights: A factor for each sample, shape ``(N,)``; the mean is then the weighted one.
        ignore_index: Rows with this label are as if they were not there.
        normalize: Divide each feature by its Euclidean length first; centers stay as they are.
        reduction: ``"none"``, ``"mean"`` over the samples that have a value, or ``"sum"`` (the authors' form).

    Returns:
        Squared feature units; shape ``(N,)`` for ``"none"``, otherwise a scalar. With one class no sample has a
        value.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a setting makes no sense.

    Example:
        >>> features, centers = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [3.0]])
        >>> triplet_center_loss(features, torch.tensor([0, 0]), centers, reduction="none")
        tensor([3.5000, 0.5000])

    Source: "Triplet-Center Loss for Multi-View 3D Object Retrieval", CVPR 2018, eq. 5. Centers move by the gradient
    of what is reduced, where the authors divide a center's step by 1 + its count. Implementations that take the root
    of the distance, or the minimum over the classes of the batch, are other losses: no factor leads to them.
    """
    who = "triplet_center_loss"
    check_not_negative(who, margin=margin)
    check_reduction(who, reduction)
    with without_autocast(features):
        x, y, kept = prepare(
            who, features, labels, centers, weights=weights, ignore_index=ignore_index, normalize=normalize
        )
        y, c = y.to(x.device), centers.to(x.dtype)
        if c.shape[0] < 2:
            none = torch.zeros_like(y, dtype=torch.bool)
            return reduce((x - rows_of(c, y)).sum(1), reduction, none, weights)
        own, nearest = rows_of(c, y), rows_of(c, nearest_other_center(x.detach(), y, c.detach()))
        nearer = 0.5 * torch.linalg.vecdot(nearest - own, (x - own) + (x - nearest))
        return reduce((margin + nearer).clamp_min(0), reduction, kept, weights)


@torch.no_grad()
def nearest_other_center(features: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """The class of the center nearest to each sample that is not its own, (N,), in chunks of N x C distances.

    Distances about the mean of the centers, less what all centers share, in units of the largest component. Of two
    centers whose distances differ by a rounding of the squared radius either may be taken.
    """
    middle = centers.mean(0)
    apart, away = centers - middle, features - middle
    scale = apart.abs().amax().clamp_min(torch.finfo(apart.dtype).tiny)
    reach = away.abs().amax(1, keepdim=True).clamp_min(scale) if away.numel() else away[:, :1]
    apart, away = apart / scale, away / reach
    half_norms = 0.5 * torch.linalg.vecdot(apart, apart) * scale  # the score is (||c||^2 / 2 - x c) / (scale reach)
    found = []
    size = max(1, _CHUNK // max(1, centers.shape[0]))
    chunks = (torch.split(tensor, size) for tensor in (away, labels, reach))
    for rows, own, unit in zip(*chunks, strict=True):
        score = half_norms / unit - rows @ apart.T
        found.append(scattered(score, 1, own.unsqueeze(1), torch.inf).argmin(1))
    return torch.cat(found)


class TripletCenterLoss(ClassLoss):
    """:func:`triplet_center_loss` with learned centers, moved by the gradient.

    Args:
        num_classes: C.
        feature_dim: D.
        margin, ignore_index, normalize, reduction: See :func:`triplet_center_loss`.
        center_std: Centers start from N(0, ``center_std``²).
        generator: Where their start is drawn from; default torch's global generator.

    Example:
        >>> loss = TripletCenterLoss(num_classes=10, feature_dim=84)
        >>> loss(torch.randn(32, 84), torch.arange(32) % 10).shape
        torch.Size([])
    """

    function = staticmethod(triplet_center_loss)
    settings = ("margin", "ignore_index", "normalize", "reduction")

    @checked
    def __init__(
        self,
        num_classes: Count,
        feature_dim: Count,
        *,
        margin: NotNegative = 5.0,
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
        self.margin = margin
