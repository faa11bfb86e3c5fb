"""How figures of class means change, to first order, when images count differently.

Axes: N samples, C classes, D feature dimensions, S draws.
"""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from sigma2r.evaluation.bootstrap import Grouped
from sigma2r.metrics import ClassStatistics

_AT_ONCE = 2**22  # numbers held at once


class ClassMeans:
    """Features with the means of their classes.

    Args:
        features: Shape ``(N, D)``.
        labels: Shape ``(N,)``.
        statistics: Of the very same.
    """

    def __init__(self, features: Tensor, labels: Tensor, statistics: ClassStatistics) -> None:
        self.features, self.labels, self.statistics = features, labels.to(features.device), statistics
        self.grouped = Grouped(labels, statistics.count.shape[0])

    @cached_property
    def rounding(self) -> Tensor:
        r"""What no singular value of the class means about their mean can be told from, a scalar.

        :math:`2^{-52} \max(P, D) \sqrt{\sum_i \lVert x_i \rVert^2}`: in float64 a mean is off by a few units of its own
        last digit, which grow with its distance from the origin, and means that were merged by as many times the root
        of how many parts they had, of which there are at most as many as samples.
        """
        count, mean, scatter = self.statistics.count, self.statistics.mean, self.statistics.scatter
        size: Tensor = ((count * torch.linalg.vecdot(mean, mean)).sum() + scatter.sum()).sqrt()
        size *= max(int((count > 0).sum()), mean.shape[1]) * torch.finfo(mean.dtype).eps
        return size

    @cached_property
    def coincide(self) -> bool:
        """Whether the means of all classes that have samples are the same, as far as can be told."""
        present = self.statistics.mean[self.statistics.count > 0]
        return not bool((present - present.mean(0)).norm() > self.rounding * present.shape[0] ** 0.5)

    def apply(self, function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """What a function returns for features less the means of their classes, and labels: ``(N, ...)``, in parts."""
        rows = max(1, _AT_ONCE // max(1, self.features.shape[1]))
        device = self.statistics.mean.device
        found = []
        for some, own in zip(torch.split(self.features, rows), torch.split(self.labels, rows), strict=True):
            own = own.to(device)
            found.append(function(some.to(device).double() - self.statistics.mean[own], own))
        return torch.cat(found)

    def along(self, directions: Tensor) -> Tensor:
        """How far each sample lies from its class's mean along a direction of the class ``(C, D)``: ``(N,)``, CPU."""
        return self.apply(lambda apart, own: torch.linalg.vecdot(apart, directions[own])).cpu()

    def shift(self, gradient: Tensor) -> Callable[[Tensor], Tensor]:
        """What a figure gains under weights ``(S, N)`` if its gradient by the class means is ``(C, D)``: ``(S,)``."""
        along = self.along(gradient)

        def gained(weights: Tensor) -> Tensor:
            moved = self.grouped.sums(weights * along) / self.grouped.sums(weights)
            return moved.nan_to_num(nan=0.0).sum(1)  # a class that was not drawn stays where it is

        return gained
