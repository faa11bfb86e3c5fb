r"""Center loss: pull every feature towards the center of its class.

Axes: N samples in the batch, C classes, D feature dimensions.
"""

import math
import warnings
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sigma2r._values import Count, NotNegative, Share, checked
from sigma2r.losses._batch import IGNORE_INDEX, prepare
from sigma2r.losses._checks import check_choice, check_flag, check_weights, values_are_readable
from sigma2r.losses._func import is_transformed, scattered
from sigma2r.losses._groups import present
from sigma2r.losses._module import ClassLoss
from sigma2r.losses._precision import without_autocast, working_dtype
from sigma2r.losses._processes import refuse_within_ddp
from sigma2r.losses._reduction import Reduction, check_reduction, reduce
from sigma2r.losses._rows import squared_to_rows
from sigma2r.losses._tuples import Mined

CenterUpdate = Literal["gradient", "average"]
Compat = Literal["caffe", "pytorch-center-loss", "pytorch-ood", "facenet"]
_COMPATS = (None, *get_args(Compat))


def center_loss(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    centers: Float[Tensor, "C D"],
    *,
    weights: Float[Tensor, " N"] | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
    sparse_grad: bool = False,
    compat: Compat | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Half the squared distance from each feature to the center of its class.

    .. math:: \ell_i = \tfrac{1}{2} \lVert x_i - c_{y_i} \rVert_2^2

    The distance is taken by direct difference, in O(N D): expanding the square would cancel away from the
    origin.

    Args:
        features: Deep features :math:`x`, shape ``(N, D)``; half precision is computed in float32.
        labels: Class indices :math:`y` in ``[0, C)``, shape ``(N,)``.
        centers: Class centers :math:`c`, shape ``(C, D)``, in the units of ``features``.
        weights: A factor for each sample, shape ``(N,)``; the mean is then the weighted one.
        ignore_index: Rows with this label are as if they were not there.
        normalize: Divide each feature by its Euclidean length first; centers stay as they are.
        sparse_grad: Give ``centers`` a sparse gradient, which holds the rows of classes in the batch alone: for
            very many classes, with ``torch.optim.SparseAdam`` or SGD without momentum.
        compat: Multiply by the factor of another implementation: ``"caffe"`` 1, ``"pytorch-center-loss"`` 2,
            ``"pytorch-ood"`` 2 / C, ``"facenet"`` 2 / D, each with ``reduction="mean"``.
        reduction: ``"none"``, ``"mean"`` over the N samples, or ``"sum"`` (the paper's form).

    Returns:
        Squared feature units; shape ``(N,)`` for ``"none"``, otherwise a scalar.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a setting is unknown.

    Example:
        >>> features, centers = torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.zeros(2, 2)
        >>> center_loss(features, torch.tensor([0, 1]), centers, reduction="none")
        tensor([0.5000, 4.5000])

    Source: "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016, eq. 2; eq. 1 of
    arXiv 2009.08796. Both print a sum; ``"mean"`` is what the first authors' own code computes. Much-used
    re-implementations differ by a factor: without the half, 2; divided by all N C distances, 2 / C; by N D, 2 / D.
    """
    who = "center_loss"
    check_flag(who, sparse_grad=sparse_grad)
    check_choice(who, "compat", compat, _COMPATS)
    check_reduction(who, reduction)
    with without_autocast(features):
        x, y, kept = prepare(
            who, features, labels, centers, weights=weights, ignore_index=ignore_index, normalize=normalize
        )
        squared = squared_to_rows(x, centers, y.to(centers.device), sparse_grad)
        factor = {"pytorch-center-loss": 1.0, "pytorch-ood": 1 / centers.shape[0], "facenet": 1 / centers.shape[1]}
        each = factor.get(compat or "", 0.5) * squared
        return reduce(each, reduction, kept, weights)


@torch.no_grad()
def average_step(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    centers: Float[Tensor, "C D"],
    alpha: float,
    kept: Bool[Tensor, " N"] | None = None,
    weights: Float[Tensor, " N"] | None = None,
) -> Float[Tensor, "C D"]:
    r"""What Wen et al.'s rule takes from each center after a batch: alpha times their :math:`\Delta c`.

    .. math:: \Delta c_j = \frac{\sum_i w_i [y_i = j] (c_j - x_i)}{1 + \sum_i w_i [y_i = j]}

    The weights w are 1 in their paper, and where none are given: a row of weight 2 counts as two rows, one of weight 0
    is as if it were not there, as is a row whose distance to its center, or weight, is not finite, such as NaN.

    Args:
        features: Shape ``(N, D)``.
        labels: Class indices in ``[0, C)``, shape ``(N,)``.
        centers: Shape ``(C, D)``.
        alpha: The share, in (0, 1].
        kept: Which samples count, shape ``(N,)``; None: all.
        weights: A factor of at least 0 for each sample, shape ``(N,)``; one below counts as 0 where values are not
            looked at.

    Returns:
        Shape ``(C, D)``, float32 or wider: exactly 0 for a class that is not in the batch.

    Raises:
        ValueError: If there is not one weight for each sample, or one is negative or not finite.

    Source: "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016, eq. 4.
    """
    offset = _offset(features, labels, centers)
    shares = _shares("average_step", features, weights, offset)
    counted = _are_finite(offset, shares)
    counted = counted if kept is None else counted & kept
    return _average_rows(offset, labels, centers.shape[0], alpha, counted, shares)


def _average_rows(
    offset: Tensor,
    labels: Tensor,
    num_rows: int,
    alpha: float,
    counted: Tensor | None,
    shares: Tensor | None,
) -> Tensor:
    """The step of each of ``num_rows`` centers by c - x (N, D), of the rows that count, (N,) bool; None: all."""
    ones = torch.ones_like(offset[:, 0]) if counted is None else counted.to(offset.dtype)
    if counted is not None:
        offset = offset.masked_fill(~counted.unsqueeze(1), 0.0)
    if shares is not None:
        ones = torch.where(ones > 0, shares, 0.0)
        offset = ones.unsqueeze(1) * offset
    pull = offset.new_zeros(num_rows, offset.shape[1]).index_add_(0, labels, offset)
    counts = torch.zeros_like(pull[:, 0]).index_add_(0, labels, ones)
    return alpha * pull / (1 + counts).unsqueeze(1)


def _average_step(
    offset: Tensor, labels: Tensor, centers: Tensor, alpha: float, counted: Tensor | None, shares: Tensor | None
) -> tuple[Tensor | None, Tensor]:
    """Which centers move, (N,), None: all, and their steps: no more of them than the batch has samples or classes.

    A class may stand there twice, with the same step.
    """
    num_samples, num_classes = labels.shape[0], centers.shape[0]
    if num_classes <= num_samples or not num_samples:
        return None, _average_rows(offset, labels, num_classes, alpha, counted, shares)
    ordered, order = labels.sort()
    rank, ordered_rank = present(ordered, order)
    rows = _average_rows(offset, rank, num_samples, alpha, counted, shares)
    classes = scattered(torch.empty_like(labels), 0, rank, labels)
    used = torch.arange(num_samples, device=rank.device).minimum(ordered_rank[-1])
    return classes.index_select(0, used), rows.index_select(0, used)


def _move(centers: Tensor, classes: Tensor | None, step: Tensor) -> None:
    """Take a step of :func:`_average_step` in place."""
    if classes is None:
        centers.sub_(step)
    else:
        centers.index_copy_(0, classes, (centers.index_select(0, classes) - step).to(centers.dtype))


def _offset(features: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Centers less features, (N, D), float32 or wider."""
    rows = centers.index_select(0, labels)
    return rows.to(working_dtype(rows)) - features.to(centers)


def _shares(who: str, features: Tensor, weights: Any, offset: Tensor) -> Tensor | None:
    """The weights by which rows move centers, (N,), none below 0: 1 plus their sum is divided by."""
    if weights is None:
        return None
    numbers = check_weights(who, features, weights)
    return numbers.detach().to(offset).clamp_min(0)


def _are_finite(offset: Tensor, shares: Tensor | None) -> Tensor:
    """Which rows have a finite squared length and weight, (N,) bool: sums of the others would not stay finite."""
    finite: Tensor = torch.linalg.vecdot(offset, offset).isfinite()
    return finite if shares is None else finite & shares.isfinite()


class CenterLoss(ClassLoss):
    """:func:`center_loss` with learned centers.

    How centers move:

    ``"gradient"`` (default): as parameters of an optimizer. The step of a center is then the optimizer's, and scales
    with the weight of the loss unless the optimizer divides it out (Adam does). A class that is absent from a batch
    has a gradient of 0, and *still moves* under momentum, under Adam once it has moved before, and under weight
    decay (which :meth:`param_groups` sets to 0). ``sparse_grad=True`` with ``torch.optim.SparseAdam``, or with SGD
    without momentum, leaves absent rows bit for bit as they were.

    ``"average"``: by Wen et al.'s own rule, c_j <- c_j - alpha * Delta c_j (:func:`average_step`), whatever weight
    the loss has; absent classes never move. Centers move during the backward pass through the loss, once for each
    forward pass in training mode, by the centers that that forward pass saw; so with gradient accumulation they move
    at each part of a batch. They do not move in evaluation mode, without gradients, or where backward is not called,
    and :meth:`param_groups` is empty. Features are prepared as for the loss; rows with NaN or infinite values move
    nothing, which a loss on the CPU tells once, and :class:`~sigma2r.diagnosis.Watch` on any device. With ``weights``
    a row counts as often as its weight says, one of weight 0 not at all.

    Args:
        num_classes: C.
        feature_dim: D.
        center_update: ``"gradient"`` or ``"average"``.
        alpha: The share of ``"average"``, in (0, 1]; Wen et al. use 0.5.
        ignore_index, normalize, sparse_grad, compat, reduction: See :func:`center_loss`.
        center_std: Centers start from N(0, ``center_std``²); 0 starts them at the origin.
        generator: Where their start is drawn from; default torch's global generator.

    Example:
        >>> loss = CenterLoss(num_classes=10, feature_dim=84)
        >>> optimizer = torch.optim.Adam(loss.param_groups(lr=0.1))
        >>> loss(torch.randn(32, 84), torch.arange(32) % 10).backward()
        >>> optimizer.step()
    """

    function = staticmethod(center_loss)
    settings = ("ignore_index", "normalize", "sparse_grad", "compat", "reduction")
    _told = False  # of rows that are not finite

    @checked
    def __init__(
        self,
        num_classes: Count,
        feature_dim: Count,
        *,
        center_update: CenterUpdate = "gradient",
        alpha: Share = 0.5,
        ignore_index: int = IGNORE_INDEX,
        normalize: bool = False,
        sparse_grad: bool = False,
        compat: Compat | None = None,
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
        self.centers.requires_grad_(center_update == "gradient")
        self.center_update = center_update
        self.alpha = alpha
        self.sparse_grad = sparse_grad
        self.compat = compat

    def forward(
        self,
        features: Float[Tensor, "N D"],
        labels: Int[Tensor, " N"],
        indices_tuple: Mined | None = None,
        *,
        weights: Float[Tensor, " N"] | None = None,
    ) -> Tensor:
        """The loss of a batch; see :func:`center_loss`. What a miner chose moves averaged centers as weights do."""
        weights = self.weighed(features, indices_tuple, weights)
        value = super().forward(features, labels, weights=weights)
        moves = self.center_update == "average" and self.training and value.requires_grad
        if moves and not is_transformed():  # torch.func is for functions that change nothing
            if not self.gathered:
                refuse_within_ddp(type(self).__name__)
            step = self._step(features.detach(), labels, weights, value)
            if torch.compiler.is_compiling():
                moved: Tensor = _Moved.apply(value, self.centers, *step)
                return moved
            value.register_hook(_Once(self.centers, *step))  # type: ignore[no-untyped-call]
        return value

    @torch.no_grad()
    def _step(
        self, features: Tensor, labels: Tensor, weights: Tensor | None, value: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """The step of Wen et al.'s rule, by the rows that the loss sees and that are finite, each by its weight."""
        centers = self.centers
        x, y, kept = prepare(
            "CenterLoss", features, labels, centers, ignore_index=self.ignore_index, normalize=self.normalize
        )
        y = y.to(x.device)
        offset = _offset(x, y, centers)
        shares = _shares("CenterLoss", x, weights, offset)
        if value.dtype == centers.dtype and values_are_readable(value) and math.isfinite(value.sum()):
            return _average_step(offset, y, centers, self.alpha, kept, shares)  # so every row is finite, too
        finite = _are_finite(offset, shares)
        if not self._told and values_are_readable(finite) and not finite.all():  # an ignored row is one of zeros
            self._told = True
            what = "features" if weights is None else "features or weights"
            warnings.warn(
                f"CenterLoss: {int((~finite).sum())} of {x.shape[0]} rows of {what} hold "
                "NaN, infinite or too large values and move no center; this is told once.",
                stacklevel=6,
            )
        return _average_step(offset, y, centers, self.alpha, finite if kept is None else finite & kept, shares)

    def extra_repr(self) -> str:
        """Sizes and settings, for ``print(loss)``."""
        return f"{super().extra_repr()}, center_update={self.center_update!r}, alpha={self.alpha}"


class _Once:
    """A hook that takes a step from centers the first time that a gradient passes."""

    def __init__(self, centers: Tensor, classes: Tensor | None, step: Tensor) -> None:
        self.centers, self.classes, self.step = centers, classes, step

    @torch.no_grad()
    def __call__(self, gradient: Tensor) -> None:
        if self.step.numel():
            _move(self.centers, self.classes, self.step)
            self.step = self.step[:0]


class _Moved(torch.autograd.Function):
    """The same as a part of the graph, for a compiler, which has no place for hooks: at each backward pass."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, centers: Tensor, classes: Tensor | None, step: Tensor) -> Tensor:
        """A copy of ``value``, behind which the step is taken."""
        ctx.centers, ctx.classes, ctx.step = centers, classes, step
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Take the step; the gradient goes on as it is."""
        _move(ctx.centers, ctx.classes, ctx.step)
        return grad, None, None, None
