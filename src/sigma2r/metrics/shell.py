"""The spread within classes as a torchmetrics metric: updated batch by batch, merged over processes."""

from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from sigma2r._values import Count, checked
from sigma2r.losses._checks import check_measured
from sigma2r.metrics.spread import ClassStatistics, counted


class IntraClassSpread(Metric):
    """Eq. 12 for each class, one pass over any number of batches and processes.

    Args:
        num_classes: C.
        feature_dim: D.
        average: ``"none"``: ``compute()`` returns the spread of each class, shape ``(C,)``. ``"macro"``: their mean
            over the classes that have one, a scalar, as Lightning's ``self.log`` wants it.

    ``update(preds, target)`` takes features ``(N, D)`` and class indices ``(N,)``; ``compute()`` returns the spread
    of each class, NaN for fewer than two samples, or their mean. :attr:`statistics` has the other measures.

    Raises:
        ValueError: If features, labels or ``average`` do not fit.

    Example:
        >>> metric = IntraClassSpread(num_classes=2, feature_dim=2)
        >>> metric.update(torch.tensor([[0.0, 0.0]]), torch.tensor([0]))
        >>> metric.update(torch.tensor([[3.0, 4.0], [7.0, 7.0]]), torch.tensor([0, 1]))
        >>> metric.compute()
        tensor([3.5355,    nan], dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    moments: Tensor

    @checked
    def __init__(self, num_classes: Count, feature_dim: Count, *, average: Literal["none", "macro"] = "none") -> None:
        super().__init__()
        self.average = average
        self.num_classes = num_classes
        self.feature_dim = feature_dim
        # One tensor, so that processes exchange and merge it as a whole: count, scatter, mean.
        self.add_state("moments", torch.zeros(num_classes, feature_dim + 2, dtype=torch.float64), _merge_stacked)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Take in a batch."""
        features, labels = check_measured("IntraClassSpread", preds, target, self.num_classes, self.feature_dim)
        part = _pack(counted(features, labels, self.num_classes)).to(self.moments.device)
        self.moments = _merge_stacked(torch.stack([self.moments, part]))

    @property
    def statistics(self) -> ClassStatistics:
        """What was seen so far by this process."""
        return _unpack(self.moments)

    def compute(self) -> Tensor:
        """The spread of each class, shape ``(C,)``, or its mean over classes, a scalar."""
        each = self.statistics.intra_class_spread()
        return each.nanmean() if self.average == "macro" else each

    def set_dtype(self, dst_type: str | torch.dtype) -> "IntraClassSpread":
        """Keep float64: the sums are exact because they are wide."""
        return self


def _pack(statistics: ClassStatistics) -> Tensor:
    return torch.cat([statistics.count.double().unsqueeze(1), statistics.scatter.unsqueeze(1), statistics.mean], dim=1)


def _unpack(moments: Tensor) -> ClassStatistics:
    return ClassStatistics(moments[:, 0].long(), moments[:, 2:], moments[:, 1])


def _merge_stacked(stacked: Tensor) -> Tensor:
    """Merge moments (parts, C, D + 2) into one (C, D + 2)."""
    merged = _unpack(stacked[0])
    for part in stacked[1:]:
        merged = merged.merge(_unpack(part))
    return _pack(merged)
