r"""σ²R loss: a center loss whose error is inflated or deflated for each sample by a learned sigmoid.

Axes: N samples in the batch, C classes, D feature dimensions. n is ``neighbors``, Z is ``ceiling``.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sigma2r._values import Count, NotNegative, Positive, checked
from sigma2r.losses._batch import IGNORE_INDEX, prepare
from sigma2r.losses._centers import rows_of
from sigma2r.losses._checks import check_count, check_flag, check_positive
from sigma2r.losses._func import is_functional, is_transformed
from sigma2r.losses._groups import ClassGroups, group_by_class
from sigma2r.losses._module import ClassLoss
from sigma2r.losses._precision import without_autocast
from sigma2r.losses._reduction import Reduction, check_reduction, reduce
from sigma2r.losses._rows import pulls, squares, summed
from sigma2r.losses._spread import Spread, check_spread, spread_excess

_NOT_WHOLE = (
    "sigma_squared_r_loss: sparse_grad=True must be compiled with fullgraph=False; torch's compiler makes no sparse "
    "gradient for growth."
)


def growth_rate(growth: Float[Tensor, " C"], *, ceiling: float = 40.0, eps: float = 1e-3) -> Tensor:
    r"""The slope of each class's sigmoid.

    .. math:: K(w_K) = \epsilon + \frac{Z}{1 + e^{-w_K}}

    Args:
        growth: The learned :math:`w_K`, shape ``(C,)``.
        ceiling: Z.
        eps: :math:`\epsilon`, the least slope.

    Returns:
        K, shape ``(C,)``, in (eps, eps + ceiling), in 1 / feature units.

    Example:
        >>> growth_rate(torch.tensor([0.0]), ceiling=40.0, eps=0.5)
        tensor([20.5000])

    Source: arXiv 2009.08796, eq. 9. Its range is printed as [eps, +inf); the formula never leaves (eps, eps + Z).
    """
    return eps + ceiling * growth.sigmoid()


def sigma_squared_r_gate(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    centers: Float[Tensor, "C D"],
    growth: Float[Tensor, " C"],
    *,
    neighbors: int = 7,
    ceiling: float = 40.0,
    eps: float = 1e-3,
    spread: Spread = "distance-std",
    through_spread: bool = False,
    max_per_class: int | None = None,
    classes_per_batch: int | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
) -> Float[Tensor, " N"]:
    r"""The factor by which σ²R multiplies each sample's squared distance.

    .. math:: \beta_i = \frac{Z}{1 + e^{-K_{y_i} (\sigma(n, x_i) - \sigma(n, C_{y_i}))}}

    Arguments and errors are those of :func:`sigma_squared_r_loss`.

    Returns:
        beta, shape ``(N,)``, in [0, ceiling], without unit.

    Example:
        >>> features, labels = torch.tensor([[0.0], [1.0], [9.0]]), torch.zeros(3, dtype=torch.long)
        >>> sigma_squared_r_gate(features, labels, torch.zeros(1, 1), torch.zeros(1), ceiling=4.0, eps=1.0)
        tensor([3.5908e+00, 2.0506e+00, 1.2484e-05])

    Source: arXiv 2009.08796, eq. 8.
    """
    who = "sigma_squared_r_gate"
    _check_settings(who, neighbors, ceiling, eps, spread, through_spread)
    with without_autocast(features):
        x, y, kept = prepare(
            who, features, labels, centers, growth=growth, ignore_index=ignore_index, normalize=normalize
        )
        groups = group_by_class(who, y, centers.shape[0], x.shape[1], neighbors, max_per_class, classes_per_batch, kept)
        groups, y = groups.to(x.device), y.to(x.device)  # counted where the labels lay
        _, excess = _search(x, y, centers.to(x.dtype), groups, neighbors, spread, through_spread)
        beta = _gate(rows_of(growth.to(x.dtype), y), excess, ceiling, eps)
        return beta if kept is None else torch.where(kept, beta, 0.0)


def sigma_squared_r_loss(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    centers: Float[Tensor, "C D"],
    growth: Float[Tensor, " C"],
    *,
    neighbors: int = 7,
    ceiling: float = 40.0,
    eps: float = 1e-3,
    spread: Spread = "distance-std",
    through_spread: bool = False,
    max_per_class: int | None = None,
    classes_per_batch: int | None = None,
    weights: Float[Tensor, " N"] | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
    sparse_grad: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""The squared distance to the own center, times a gate that opens where neighbours are spread out.

    .. math:: \ell_i = \beta_i \lVert x_i - C_{y_i} \rVert_2^2, \qquad
              \beta_i = \frac{Z}{1 + e^{-K_{y_i} (\sigma(n, x_i) - \sigma(n, C_{y_i}))}}

    sigma(n, x_i) speaks of the n samples of the class in the batch that are nearest to x_i (all of them if there
    are fewer), sigma(n, C) of the n nearest to the center. Where either is undefined, because too few samples of
    the class are in the batch (two for ``"distance-std"``, one otherwise), the gate is half open: beta = Z / 2.

    Args:
        features: Deep features :math:`x`, shape ``(N, D)``; half precision is computed in float32.
        labels: Class indices :math:`y` in ``[0, C)``, shape ``(N,)``, any order and composition.
        centers: Class centers, shape ``(C, D)``, in the units of ``features``.
        growth: :math:`w_K`, one per class, shape ``(C,)``; see :func:`growth_rate`.
        neighbors: n, the paper's 7.
        ceiling: Z, the largest gate, the paper's 40.
        eps: The least slope of the sigmoid; the paper gives no number.
        spread: The reading of sigma. ``"distance-std"``: standard deviation of the n distances. ``"std"``: Eq. 12
            over the anchor and its n neighbours. ``"rms"``: root mean square of the n distances.
        through_spread: Let the gradient run through sigma too, as autograd reads the formula to the letter. *Take
            care*: the network can then lower the loss by spreading out the neighbours of the center, so that every
            gate closes and the loss switches itself off. False holds sigma constant within a batch.
        max_per_class: The most samples that one class has in a batch, if you know it
            (:attr:`sigma2r.BalancedBatchSampler.max_per_class`). On the CPU it is counted. Elsewhere, and under
            ``torch.compile``, it saves the search over all N x N pairs; samples beyond a number given too small
            are then not searched and keep a half-open gate (:func:`sigma2r.check_values` refuses them).
        classes_per_batch: The most classes that a batch holds, if you know it: the same for a batch of few of very many
            classes (:attr:`sigma2r.BalancedBatchSampler.classes_per_batch`).
        weights: A factor for each sample, shape ``(N,)``; the mean is then the weighted one.
        ignore_index: Rows with this label are as if they were not there.
        normalize: Divide each feature by its Euclidean length first; centers stay as they are.
        sparse_grad: Give ``centers`` and ``growth`` sparse gradients, which hold the rows of classes in the batch
            alone: for very many classes, with ``torch.optim.SparseAdam`` or SGD without momentum.
        reduction: ``"none"``, ``"mean"`` over the N samples (the paper's form), or ``"sum"``.

    Returns:
        Squared feature units; shape ``(N,)`` for ``"none"``, otherwise a scalar, float32 or wider.

    Raises:
        ValueError: If shapes, dtypes, labels or settings do not fit, or a batch holds more than ``max_per_class``
            samples of a class, or more than ``classes_per_batch`` classes.

    Example:
        >>> features, labels = torch.tensor([[0.0], [1.0], [9.0]]), torch.zeros(3, dtype=torch.long)
        >>> centers, growth = torch.zeros(1, 1), torch.zeros(1)
        >>> sigma_squared_r_loss(features, labels, centers, growth, ceiling=4.0, eps=1.0, reduction="none")
        tensor([0.0000e+00, 2.0506e+00, 1.0112e-03])

    Source: arXiv 2009.08796, eqs. 8-10 and algorithm 1. The paper leaves open what sigma is taken over and whether
    the gradient runs through it; both readings here are ours, chosen by experiment.
    """
    who = "sigma_squared_r_loss"
    _check_settings(who, neighbors, ceiling, eps, spread, through_spread)
    check_flag(who, sparse_grad=sparse_grad)
    check_reduction(who, reduction)
    with without_autocast(features):
        x, y, kept = prepare(
            who,
            features,
            labels,
            centers,
            growth=growth,
            weights=weights,
            ignore_index=ignore_index,
            normalize=normalize,
        )
        groups = group_by_class(who, y, centers.shape[0], x.shape[1], neighbors, max_per_class, classes_per_batch, kept)
        groups, y = groups.to(x.device), y.to(x.device)  # counted where the labels lay
        centers, growth = centers.to(x.dtype), growth.to(x.dtype)
        if through_spread:
            squared, excess = _search(x, y, centers, groups, neighbors, spread, through_spread, sparse_grad)
            each = _gate(rows_of(growth, y, sparse_grad), excess, ceiling, eps) * squared
        elif is_transformed():  # which takes no Function of this form
            _, excess = _search(x.detach(), y, centers.detach(), groups, neighbors, spread, through_spread)
            squared = _squared(x, centers, y, sparse_grad)
            each = _gate(rows_of(growth, y, sparse_grad), excess, ceiling, eps) * squared
        else:
            found = _search(x, y, centers, groups, neighbors, spread, through_spread, sparse_grad)
            each = _GatedDistance.apply(x, y, centers, growth, *found, ceiling, eps, sparse_grad)
        return reduce(each, reduction, kept, weights)


def _check_settings(who: str, neighbors: int, ceiling: float, eps: float, spread: Spread, through_spread: bool) -> None:
    check_count(who, neighbors=neighbors)
    check_positive(who, ceiling=ceiling, eps=eps)
    check_spread(who, spread)
    check_flag(who, through_spread=through_spread)


def _search(
    features: Tensor,
    labels: Tensor,
    centers: Tensor,
    groups: ClassGroups,
    neighbors: int,
    spread: Spread,
    through_spread: bool,
    sparse_grad: bool = False,
) -> tuple[Tensor, Tensor]:
    """||x - C_y||^2 and sigma(n, x) - sigma(n, C_y), both (N,); in the graph only if ``through_spread``."""
    with torch.set_grad_enabled(through_spread and torch.is_grad_enabled()):
        squared = _squared(features, centers, labels, sparse_grad)
        if sparse_grad and torch.compiler.is_compiling():  # what makes sparse gradients must be a graph of its own
            torch._dynamo.graph_break(msg=_NOT_WHOLE)
        return squared, spread_excess(features, squared, groups, neighbors, spread)


def _squared(x: Tensor, centers: Tensor, labels: Tensor, sparse_grad: bool = False) -> Tensor:
    """||x - C_y||^2 (N,), kept finite so that a closed gate, 0, times one that overflows is not NaN."""
    if torch.is_grad_enabled() or is_functional():
        offset = x - rows_of(centers, labels, sparse_grad)
        lengths: Tensor = torch.linalg.vecdot(offset, offset)
    else:
        lengths = squares(x, centers, labels)
    return lengths.clamp_max(torch.finfo(x.dtype).max)


def _gate(growth: Tensor, excess: Tensor, ceiling: float, eps: float) -> Tensor:
    """Beta of each sample from the growth of its class and its excess, all (N,)."""
    return ceiling * torch.sigmoid(growth_rate(growth, ceiling=ceiling, eps=eps) * excess)


class _GatedDistance(torch.autograd.Function):
    r"""beta ||x - C||^2 with sigma held constant, and its gradient in closed form: a third of autograd's steps.

    With e the excess and s = sigmoid(K e): d/dx = 2 Z s (x - C), d/dC its negative summed over the class, and
    d/dw = ||x - C||^2 Z s (1 - s) e dK/dw summed over the class, where dK/dw = Z sigmoid(w) (1 - sigmoid(w)).
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        labels: Tensor,
        centers: Tensor,
        growth: Tensor,
        squared: Tensor,
        excess: Tensor,
        ceiling: float,
        eps: float,
        sparse_grad: bool,
    ) -> Tensor:
        """Beta times ``squared``, which is that of these features and centers."""
        value, beta, by_growth = _GatedDistance.parts(labels, growth, squared, excess, ceiling, eps)
        ctx.save_for_backward(features, labels, centers, growth, excess, beta, by_growth)
        ctx.settings = ceiling, eps, sparse_grad
        return value

    @staticmethod
    def parts(
        labels: Tensor, growth: Tensor, squared: Tensor, excess: Tensor, ceiling: float, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The value, beta, and the slope of the value in the class's growth; each (N,)."""
        share = growth.index_select(0, labels).sigmoid()
        reach = ceiling * share
        gate = torch.sigmoid((eps + reach) * excess)
        beta = ceiling * gate
        value = beta * squared
        slope = torch.addcmul(reach, reach, share, value=-1)  # dK/dw = Z sigmoid(w) (1 - sigmoid(w))
        return value, beta, torch.addcmul(value, value, gate, value=-1) * (excess * slope)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """For features, centers and growth; in full precision if called under autocast, too."""
        features, labels, centers, growth, excess, beta, by_growth = ctx.saved_tensors
        ceiling, eps, sparse_grad = ctx.settings
        for_centers = for_growth = None
        with without_autocast(features):
            if torch.is_grad_enabled():  # on the way to second derivatives: nothing saved may stand for a constant
                squared = _squared(features, centers, labels)
                _, beta, by_growth = _GatedDistance.parts(labels, growth, squared, excess, ceiling, eps)
            pull = pulls(features, centers, labels, 2 * grad * beta)
            if ctx.needs_input_grad[2]:
                for_centers = summed(centers, labels, pull, -1, sparse_grad)
            if ctx.needs_input_grad[3]:
                for_growth = summed(growth, labels, grad * by_growth, 1, sparse_grad)
        return pull, None, for_centers, for_growth, None, None, None, None, None


class SigmaSquaredRLoss(ClassLoss):
    """:func:`sigma_squared_r_loss` with learned centers and growth.

    Args:
        num_classes: C.
        feature_dim: D.
        neighbors: n.
        ceiling: Z.
        eps: The least slope.
        spread: The reading of sigma: ``"distance-std"``, ``"std"`` or ``"rms"``.
        through_spread: Let the gradient run through sigma; read the warning at :func:`sigma_squared_r_loss`.
        max_per_class, classes_per_batch: The most samples that one class has in a batch, and the most classes there, if
            you know them.
        ignore_index, normalize, sparse_grad, reduction: See :func:`sigma_squared_r_loss`.
        center_std: Centers start from N(0, ``center_std``²): 1 is the paper's start, 0 the origin. See also
            :meth:`init_centers`.
        fixed_growth: Hold the growth of every class at this number; default: learn it, from N(0, 1), as the paper's
            section 3 says.
        generator: Where the start of centers and growth is drawn from; default torch's global generator.

    Example:
        >>> loss = SigmaSquaredRLoss(num_classes=10, feature_dim=84)
        >>> optimizer = torch.optim.Adam(loss.param_groups(lr=0.1))
        >>> loss(torch.randn(250, 84), torch.arange(250) % 10).backward()
        >>> optimizer.step()
    """

    function = staticmethod(sigma_squared_r_loss)
    settings = (
        "neighbors",
        "ceiling",
        "eps",
        "spread",
        "through_spread",
        "max_per_class",
        "classes_per_batch",
        "ignore_index",
        "normalize",
        "sparse_grad",
        "reduction",
    )

    @checked
    def __init__(
        self,
        num_classes: Count,
        feature_dim: Count,
        *,
        neighbors: Count = 7,
        ceiling: Positive = 40.0,
        eps: Positive = 1e-3,
        spread: Spread = "distance-std",
        through_spread: bool = False,
        max_per_class: Count | None = None,
        classes_per_batch: Count | None = None,
        ignore_index: int = IGNORE_INDEX,
        normalize: bool = False,
        sparse_grad: bool = False,
        reduction: Reduction = "mean",
        center_std: NotNegative = 1.0,
        fixed_growth: float | None = None,
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
        start = torch.randn(num_classes, generator=generator)
        if fixed_growth is not None:
            start.fill_(fixed_growth)
        self.growth = nn.Parameter(start, requires_grad=fixed_growth is None)
        self.fixed_growth = fixed_growth
        self.neighbors = neighbors
        self.ceiling = ceiling
        self.eps = eps
        self.spread: Spread = spread
        self.through_spread = through_spread
        self.max_per_class = max_per_class
        self.classes_per_batch = classes_per_batch
        self.sparse_grad = sparse_grad

    def new_rows(self, name: str, parameter: nn.Parameter, count: int, generator: torch.Generator | None) -> Tensor:
        """Rows for classes that are added; growth that is held stays at its number."""
        if name == "growth" and self.fixed_growth is not None:
            return torch.full((count,), self.fixed_growth)
        return super().new_rows(name, parameter, count, generator)

    @torch.no_grad()
    def growth_rate(self) -> Float[Tensor, " C"]:
        """K of Eq. 9 for each class, shape ``(C,)``, for plots and diagnosis."""
        return growth_rate(self.growth, ceiling=self.ceiling, eps=self.eps)

    def class_figures(self) -> dict[str, Tensor]:
        """Growth, and the slope that it stands for."""
        return {"growth": self.growth.detach(), "growth_rate": self.growth_rate()}

    @torch.no_grad()
    def gate(self, features: Float[Tensor, "N D"], labels: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
        """Beta of Eq. 8 for each sample, shape ``(N,)``, for plots and diagnosis; 0 where ignored."""
        keywords = {k: v for k, v in self.keywords().items() if k not in ("sparse_grad", "reduction")}
        return sigma_squared_r_gate(features, labels, self.centers, self.growth, **keywords)
