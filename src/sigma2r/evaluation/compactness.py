r"""Compactness: the spread within classes against the distance between them, and how sure both are.

Axes: N samples, C classes, P of which have samples, D feature dimensions, S draws.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r.evaluation._distances import squared_distances
from sigma2r.evaluation._influence import ClassMeans
from sigma2r.evaluation._ranged import moved
from sigma2r.evaluation.bootstrap import mean_over_classes
from sigma2r.metrics import ClassStatistics
from sigma2r.metrics.spread import of_present

MOST_CLASSES = 8192  # of which all distances or angles are kept at once
_AT_ONCE = 2**22  # distances between means held at once


def fisher_ratio(features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int) -> Tensor:
    r"""Scatter between classes over scatter within them: free of the features' scale, and larger is better.

    .. math:: F = \frac{\sum_c n_c \lVert \mu_c - \mu \rVert^2}{\sum_i \lVert x_i - \mu_{y_i} \rVert^2}

    with :math:`\mu` the mean of all samples: the trace of one scatter matrix over that of the other. Times
    :math:`(N - C) / (C - 1)` it is the index of Caliński and Harabasz.

    Args:
        features: Shape ``(N, D)``.
        labels: Class indices in ``[0, num_classes)``, shape ``(N,)``.
        num_classes: C.

    Returns:
        A float64 scalar; infinite if no class has any scatter, NaN if there is none at all.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit.

    Example:
        >>> features = torch.tensor([[0.0], [2.0], [6.0], [8.0]])
        >>> fisher_ratio(features, torch.tensor([0, 0, 1, 1]), num_classes=2)
        tensor(9., dtype=torch.float64)

    Source: Fukunaga, "Introduction to Statistical Pattern Recognition", 1990, section 10.2, criterion
    :math:`J_4 = \operatorname{tr} S_b / \operatorname{tr} S_w`.
    """
    return fisher_of(of_present(features, labels, num_classes)[0])


def fisher_of(statistics: ClassStatistics) -> Tensor:
    """:func:`fisher_ratio` for statistics that are known, which can be merged."""
    between = (statistics.count * _from_the_middle(statistics).square().sum(1)).sum()
    return between / statistics.scatter.sum()


def _from_the_middle(statistics: ClassStatistics) -> Tensor:
    """Each class mean less the mean of all samples, ``(C, D)``; of no meaning where a class has none."""
    shares = statistics.count.double() / statistics.count.sum()
    return statistics.mean - shares @ statistics.mean


class Compactness:
    """Spread, distance between classes, their ratio and Fisher's ratio, now and under other weights.

    Args:
        means: Features with the means of their classes.
        by_class: Whether weights are those of whole classes.
    """

    def __init__(self, means: ClassMeans, *, by_class: bool) -> None:
        self.statistics, self.grouped, self.by_class = means.statistics, means.grouped, by_class
        self.present = (means.statistics.count > 0).cpu()
        self.inter, gradient, self.between = _distances_between(means.statistics, keep=by_class)
        self.shift = means.shift(gradient)
        self.squared = means.apply(lambda apart, own: torch.linalg.vecdot(apart, apart)).cpu()
        middle = _from_the_middle(means.statistics)
        around = torch.linalg.vecdot(middle, middle)
        self.scattered = means.apply(lambda apart, own: around[own] + 2 * torch.linalg.vecdot(apart, middle[own])).cpu()

    def values(self) -> Tensor:
        """The four figures, ``(4,)`` on the CPU; NaN or infinite where there is none."""
        intra = self.statistics.intra_class_spread().nanmean()
        return torch.stack([intra, self.inter, intra / self.inter, fisher_of(self.statistics)]).cpu()

    def redrawn(self, weights: Tensor) -> Tensor:
        r"""The four figures under weights ``(S, N)``, a ``(S, 4)`` tensor.

        Where images are drawn, class means move by what is drawn, and figures follow to first order: the scatter about
        a mean does not change then, and the mean distance between classes changes along its gradient. So an interval
        does not suffer from the scatter that is lost when samples are drawn twice. It changes on a logarithmic scale,
        as it is at least 0. Where classes are drawn no mean moves.
        """
        count = self.statistics.count.cpu().double()
        number, times = self.grouped.sums(weights), self.grouped.multiplicity(weights, self.by_class)
        variance = self.grouped.sums(weights * self.squared) / number * (count / (count - 1).clamp_min(1))
        intra = mean_over_classes(torch.where(count > 1, variance.sqrt(), torch.nan), times)
        if self.by_class:
            drawn = times[:, self.present]
            pairs = drawn.sum(1).square() - drawn.square().sum(1)
            inter = torch.full_like(pairs, torch.nan)
            if self.between is not None:
                inter = ((drawn @ self.between) * drawn).sum(1) / pairs
        else:
            inter = moved(self.inter.cpu(), self.shift(weights))
        between = weights @ self.scattered
        if not self.by_class:
            between = moved(self.scattered.sum(), between - self.scattered.sum())
        scatter = weights @ self.squared
        fisher = between / scatter.where(scatter > 0, torch.nan)  # a draw without scatter has no such figure
        return torch.stack([intra, inter, intra / inter, fisher], dim=1)


def _distances_between(statistics: ClassStatistics, *, keep: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Mean distance between class means, its gradient by them ``(C, D)``, and all distances ``(P, P)`` if not too many.

    The mean is :meth:`~sigma2r.metrics.ClassStatistics.inter_class_distance`.
    """
    present = statistics.count.nonzero().squeeze(1)
    means = statistics.mean[present]
    pairs = means.shape[0] * (means.shape[0] - 1)
    gradient = torch.zeros_like(statistics.mean)
    total = means.new_zeros(())
    kept = []
    rows = max(1, _AT_ONCE // max(1, means.shape[0]))
    for some in torch.split(torch.arange(means.shape[0], device=means.device), rows):
        apart = squared_distances(means[some], means).clamp_min_(0).sqrt_()
        total += apart.sum()
        pull = torch.where(apart > 0, 2 / (apart * pairs), 0.0)
        gradient[present[some]] = pull.sum(1, keepdim=True) * means[some] - pull @ means
        if keep and means.shape[0] <= MOST_CLASSES:
            kept.append(apart.cpu())
    return total / pairs, gradient, torch.cat(kept) if kept else None
