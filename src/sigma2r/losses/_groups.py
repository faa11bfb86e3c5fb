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
    """(N,) int64: which group each sample is of, in [0, G)."""
    classes: Tensor
    """(G,) int64: the class of each group; a group may be empty."""
    counts: Tensor
    """(G,) int64: samples of each group that take part in the search."""
    members: Tensor | None
    """(G, P) int64: the samples of each group, the last repeated to fill the row; None for the masked layout."""
    slot: Tensor | None
    """(N,) int64: where each sample stands in ``members``, flattened; G P for one that was left out."""

    def to(self, device: torch.device) -> "ClassGroups":
        """The same groups on another device."""
        return ClassGroups(*(None if part is None else part.to(device) for part in self))  # type: ignore[arg-type]


def group_by_class(
    who: str, labels: Tensor, num_classes: int, feature_dim: int, neighbors: int, max_per_class: int | None
) -> ClassGroups:
    """Choose the layout for a batch of N ``labels`` and place every sample in it.

    The largest class count is a shape, so the host must know it: from ``max_per_class``, or by counting labels
    where looking is free. The layout that takes less memory is chosen, so that padding never costs more of it than
    the masked search.

    Raises:
        ValueError: If ``max_per_class`` is below 1, or a class has more samples where they can be counted.
    """
    if max_per_class is not None:
        check_count(who, max_per_class=max_per_class)
    num_samples, readable = labels.shape[0], values_are_readable(labels)
    if not num_samples:
        return ClassGroups(labels, labels, labels, None, None)
    order = labels.argsort(stable=True)
    if num_classes <= num_samples:
        group, classes = labels, torch.arange(num_classes, device=labels.device)
    else:  # more classes than samples: only those present get a group, as far as the host may count them
        ordered = labels[order]
        rank = torch.cat([ordered[:1] * 0, (ordered[1:] != ordered[:-1]).cumsum(0)])
        num_groups = int(rank[-1]) + 1 if readable else num_samples
        group = torch.empty_like(rank).scatter_(0, order, rank)
        classes = torch.zeros_like(rank[:num_groups]).scatter_(0, rank, ordered)
    counts = torch.zeros_like(classes).scatter_add_(0, group, torch.ones_like(group))
    num_groups, width = counts.shape[0], max_per_class
    if readable:
        width = int(counts.max())
        if max_per_class is not None and width > max_per_class:
            raise ValueError(
                f"{who}: no class may have more than max_per_class={max_per_class} samples in a batch; class "
                f"{int(classes[counts.argmax()])} has {width}. Give max_per_class={width}, or leave it out."
            )
    if width is None or not padding_pays(num_samples, num_groups, width, feature_dim, neighbors):
        return ClassGroups(group, classes, counts, None, None)
    first = counts.cumsum(0) - counts
    place = torch.arange(num_samples, device=labels.device)
    seat = torch.empty_like(place).scatter_(0, order, place) - first[group]
    # A class larger than a promised max_per_class that nobody could check: its surplus is left out.
    slot = torch.where(seat < width, group * width + seat, num_groups * width)
    counts = counts.clamp_max(width)
    column = torch.minimum(place[:width], counts.unsqueeze(1) - 1)
    members = order[(first.unsqueeze(1) + column).clamp(0, num_samples - 1)]
    return ClassGroups(group, classes, counts, members, slot)


def padding_pays(num_samples: int, num_groups: int, width: int, feature_dim: int, neighbors: int) -> bool:
    """Whether ``num_groups`` blocks of ``width`` samples take no more memory than one block of all samples.

    Each block holds its points, about two numbers for each pair of an anchor and a point, and about eight for each
    neighbour that an anchor chooses.
    """

    def numbers(blocks: int, points: int, anchors: int) -> int:
        return blocks * (points * feature_dim + anchors * (2 * points + 8 * min(neighbors, points)))

    return numbers(num_groups, width, width + 1) <= numbers(1, num_samples, num_samples + num_groups)
