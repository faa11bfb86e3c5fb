"""The samples of a batch, class by class: the two layouts in which neighbours are searched.

Both layouts are blocks of points ``(B, P, D)`` with a mask of partners ``(B, P, P)``, so that one search serves
both. *Grouped*: one block per class, padded to P = the largest class of the batch. *Masked*: one block that holds
the whole batch, P = N, where partners are masked to the pairs of one class; it needs no class count, so nothing
is read back from the device and ``torch.compile`` sees fixed shapes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sigma2r.losses._checks import check_count, values_are_readable


class ClassGroups(NamedTuple):
    """Which samples belong together, and where each stands in the layout that is cheaper."""

    group: Tensor
    """(N,) int64: the rank of each sample's class among the classes present, in [0, G)."""
    counts: Tensor
    """(G,) int64: samples of each group that take part in the search; G is the number of classes present, or
    where nobody may count, the most that there can be."""
    members: Tensor | None
    """(G, P) int64: the samples of each group, the last one repeated to fill the row; None for the masked layout."""
    slot: Tensor | None
    """(N,) int64: where each sample stands in ``members``, flattened; G P for one that was left out."""

    def to(self, device: torch.device) -> "ClassGroups":
        """The same groups on another device."""
        return ClassGroups(*(None if part is None else part.to(device) for part in self))  # type: ignore[arg-type]

    @property
    def width(self) -> int:
        """P: the points of a block."""
        return self.group.shape[0] if self.members is None else self.members.shape[1]


def group_by_class(
    who: str, labels: Tensor, num_classes: int, feature_dim: int, max_per_class: int | None
) -> ClassGroups:
    """Choose the layout for a batch of N ``labels`` and place every sample in it.

    The largest class count is a shape, so the host must know it: from ``max_per_class``, or by counting labels
    where looking is free. Grouped costs B P (D + 2 P) numbers, masked N (D + 2 N): the cheaper is taken, so that
    padding never costs more memory than the masked search.

    Raises:
        ValueError: If ``max_per_class`` is below 1, or a class has more samples where they can be counted.
    """
    if max_per_class is not None:
        check_count(who, max_per_class=max_per_class)
    num_samples = labels.shape[0]
    ordered, order = labels.sort(stable=True)
    place = torch.arange(num_samples, device=labels.device)
    opens = torch.cat([torch.ones_like(ordered[:1], dtype=torch.bool), ordered[1:] != ordered[:-1]])
    rank = opens.cumsum(0) - 1
    seat = place - torch.where(opens, place, 0).cummax(0).values
    group = torch.empty_like(rank).scatter_(0, order, rank)

    width, num_groups = max_per_class, min(num_samples, num_classes)
    if num_samples and values_are_readable(labels):
        largest = int(seat.max()) + 1
        if max_per_class is not None and largest > max_per_class:
            raise ValueError(
                f"{who}: no class may have more than max_per_class={max_per_class} samples in a batch; class "
                f"{int(ordered[seat.argmax()])} has {largest}. Give max_per_class={largest}, or leave it out."
            )
        width, num_groups = largest, int(rank[-1]) + 1

    ones = torch.ones_like(rank)
    if width is None or num_groups * width * (feature_dim + 2 * width) > num_samples * (feature_dim + 2 * num_samples):
        return ClassGroups(group, torch.zeros_like(rank[:num_groups]).scatter_add_(0, rank, ones), None, None)
    totals = torch.zeros_like(rank[:num_groups]).scatter_add_(0, rank, ones)
    counts = totals.clamp_max(width)
    column = torch.minimum(place[:width], (counts - 1).clamp_min(0).unsqueeze(1))
    first = (totals.cumsum(0) - totals).clamp_max(num_samples - 1)
    members = order[first.unsqueeze(1) + column]
    # A class larger than a promised max_per_class that nobody could check: its surplus is left out.
    seated = torch.where(seat < width, rank * width + seat, num_groups * width)
    return ClassGroups(group, counts, members, torch.empty_like(seated).scatter_(0, order, seated))
