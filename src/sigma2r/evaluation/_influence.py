"""How figures of class means change, to first order, when images count differently.

Axes: N samples, C classes, D feature dimensions, S draws.
"""

from collections.abc import Callable

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
