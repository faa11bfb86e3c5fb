r"""Git loss: towards the own center, and away from the centers of all others in the batch.

Axes: N samples in the batch, C classes, D feature dimensions.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._values import Count, NotNegative, checked
from sigma2r.losses._batch import IGNORE_INDEX, prepare
from sigma2r.losses._centers import rows_of
from sigma2r.losses._checks import check_choice, check_not_negative
from sigma2r.losses._module import ClassLoss
from sigma2r.losses._precision import inner_products, without_autocast
from sigma2r.losses._reduction import Reduction, check_reduction, reduce

Negatives = Literal["all", "other-class"]
_NEGATIVES = get_args(Negatives)


def git_loss(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    centers: Float[Tensor, "C D"],
    *,
    center_weight: float,
    push_weight: float,
    negatives: Negatives = "all",
    weights: Float[Tensor, " N"] | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""A weighted center loss, and a push that falls with the distance to every other sample's center.

    .. math:: \ell_i = \frac{\lambda_c}{2} \lVert x_i - c_{y_i} \rVert^2
              + \lambda_g \sum_{j \ne i} \frac{1}{1 + \lVert x_i - c_{y_j} \rVert^2}

    The push goes over min(N, C) centers, each counted as often as its class has other samples in the batch. The own
    center's distance is a direct difference; those to others come from inner products about the mean of the
    centers, off by a few roundings of the squared radius in units of 1, so a term by as much at most.

    Args:
        features: Deep features :math:`x`, shape ``(N, D)``; half precision is computed in float32.
        labels: Class indices :math:`y` in ``[0, C)``, shape ``(N,)``.
        centers: Class centers :math:`c`, shape ``(C, D)``, in the units of ``features``.
        center_weight: :math:`\lambda_c`, at least 0.
        push_weight: :math:`\lambda_g`, at least 0.
        negatives: ``"all"``: the sum as printed, where other samples of the own class count too and push from the
            own center; ``"other-class"`` leaves those out.
        weights: A factor for each sample, shape ``(N,)``; the mean is then the weighted one.
        ignore_index: Rows with this label are as if they were not there.
        normalize: Divide each feature by its Euclidean length first; centers stay as they are.
        reduction: ``"none"``, ``"mean"`` over the N samples, or ``"sum"`` (the paper's form).

    Returns:
        Squared feature units for the first term, none for the second; shape ``(N,)`` for ``"none"``, otherwise a
        scalar.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a setting makes no sense.

    Example:
        >>> features, centers = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [3.0]])
        >>> git_loss(features, torch.tensor([0, 1]), centers, center_weight=1.0, push_weight=1.0, reduction="none")
        tensor([0.7000, 0.1000])

    Source: "Git Loss for Deep Face Recognition", BMVC 2018, eq. 4; eq. 3 of arXiv 2009.08796. The latter's eq. 4,
    given as a simplification, prints 2 (x - c) / (1 + (x - c)^2)^2: that is minus the gradient of the push, not a
    form of it. The authors' script takes a mean over feature dimensions of 1 / (1 + (x - c)^2), one dimension at a
    time: no factor leads from one to the other.
    """
    who = "git_loss"
    check_not_negative(who, center_weight=center_weight, push_weight=push_weight)
    check_choice(who, "negatives", negatives, _NEGATIVES)
    check_reduction(who, reduction)
    with without_autocast(features):
        x, y, kept = prepare(
            who, features, labels, centers, weights=weights, ignore_index=ignore_index, normalize=normalize
        )
        y, c = y.to(x.device), centers.to(x.dtype)
        own = x - rows_of(c, y)
        squared = torch.linalg.vecdot(own, own)
        push = _push(x, y, c, squared, kept, negatives)
        each = 0.5 * center_weight * squared + push_weight * push
        return reduce(each, reduction, kept, weights)


def _push(x: Tensor, y: Tensor, c: Tensor, squared: Tensor, kept: Tensor | None, negatives: Negatives) -> Tensor:
    """The sum over j != i of 1 / (1 + ||x_i - c_{y_j}||^2), (N,)."""
    num_samples, num_classes = x.shape[0], c.shape[0]
    present = torch.ones_like(squared) if kept is None else kept.to(squared.dtype)
    by_class = torch.zeros_like(c[:, 0]).index_add(0, y, present.detach())
    if num_classes <= num_samples:
        columns, classes, times = c, torch.arange(num_classes, device=y.device), by_class
    else:  # the centers of the samples, a center as often as it has samples
        columns, classes, times = rows_of(c, y), y, present.detach()
    times = torch.where(y.unsqueeze(1) == classes, 0.0, times)
    middle = columns.detach().mean(0)  # any point among the centers: differences to it keep their digits
    pushes: Tensor = (times / (1 + _squared_distances(x - middle, columns - middle))).sum(1)
    if negatives == "other-class":
        return pushes
    return pushes + (by_class.index_select(0, y) - 1).clamp_min(0) / (1 + squared)


def _squared_distances(points: Tensor, centers: Tensor) -> Tensor:
    """Squared distances (N, M) from points (N, D) to centers (M, D) that lie about the origin."""
    if not points.numel():
        return points.new_zeros(points.shape[0], centers.shape[0])
    scale = torch.maximum(points.detach().abs().amax(), centers.detach().abs().amax())
    scale = torch.where((scale > 0) & scale.isfinite(), scale, 1.0)
    points, centers = points / scale, centers / scale
    norms = torch.linalg.vecdot(points, points).unsqueeze(1) + torch.linalg.vecdot(centers, centers)
    scaled: Tensor = (norms - 2 * inner_products(points, centers)).clamp_min(0)
    return (scaled * scale * scale).clamp_max(torch.finfo(points.dtype).max)


class GitLoss(ClassLoss):
    """:func:`git_loss` with learned centers, moved by the gradient.

    Args:
        num_classes: C.
        feature_dim: D.
        center_weight, push_weight, negatives, ignore_index, normalize, reduction: See :func:`git_loss`.
        center_std: Centers start from N(0, ``center_std``²).
        generator: Where their start is drawn from; default torch's global generator.

    Example:
        >>> loss = GitLoss(num_classes=10, feature_dim=84, center_weight=1.0, push_weight=1.0)
        >>> loss(torch.randn(32, 84), torch.arange(32) % 10).shape
        torch.Size([])
    """

    takes_mined = False  # the push is over all other samples of the batch
    function = staticmethod(git_loss)
    settings = ("center_weight", "push_weight", "negatives", "ignore_index", "normalize", "reduction")

    @checked
    def __init__(
        self,
        num_classes: Count,
        feature_dim: Count,
        *,
        center_weight: NotNegative,
        push_weight: NotNegative,
        negatives: Negatives = "all",
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
        self.center_weight = center_weight
        self.push_weight = push_weight
        self.negatives = negatives
