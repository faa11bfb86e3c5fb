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
from sigma2r.losses._func import is_transformed, scattered


class ClassGroups(NamedTuple):
    """Which samples belong together, and where each stands in the layout that is cheaper."""

    group: Tensor
    """(N,) int64: which group each sample is of, in [0, G)."""
    counts: Tensor
    """(G,) int64: samples of each group that take part in the search; a group may be empty."""
    members: Tensor | None
    """(G, P) int64: the samples of each group, the first repeated to fill the row; None for the masked layout."""
    slot: Tensor | None
    """(N,) int64: where each sample stands in ``members``, flattened; G P for one that was left out."""
    least: int = 0
    """The least of ``counts``, where the host knows it; else 0."""
    complete: bool = False
    """Whether the host knows that ``members`` repeats none."""
    counted: bool = False
    """Whether the host knows that ``members`` leaves out none."""

    def to(self, device: torch.device) -> "ClassGroups":
        """The same groups on another device."""
        if self.group.device == device:
            return self
        members, slot = (None if part is None else part.to(device) for part in (self.members, self.slot))
        return self._replace(
            group=self.group.to(device),
            counts=self.counts.to(device),
            members=members,
            slot=slot,
        )


def group_by_class(
    who: str,
    labels: Tensor,
    num_classes: int,
    feature_dim: int,
    neighbors: int,
    max_per_class: int | None,
    kept: Tensor | None = None,
) -> ClassGroups:
    """Choose the layout for a batch of N ``labels`` and place every sample in it.

    Samples that are not ``kept`` (N,) make one more class, behind the others, which need not be complete.

    The largest class count is a shape, so the host must know it: from ``max_per_class``, or by counting labels
    where looking is free. The layout that takes less memory is chosen, so that padding never costs more of it than
    the masked search.

    Raises:
        ValueError: If ``max_per_class`` is below 1, or a class has more samples where they can be counted.
    """
    if max_per_class is not None:
        check_count(who, max_per_class=max_per_class)
        max_per_class = int(max_per_class)
    num_samples, readable = labels.shape[0], values_are_readable(labels)
    if not num_samples:
        return ClassGroups(labels, labels, None, None)
    if kept is not None:
        labels, num_classes = torch.where(kept.to(labels.device), labels, num_classes), num_classes + 1
    ordered, order = labels.sort(stable=True)
    edges = torch.arange(min(num_classes, num_samples) + 1, device=labels.device)
    if num_classes <= num_samples:
        group, ordered_group = labels, ordered
    else:  # more classes than samples: only those present get a group, as far as the host may count them
        ordered_group = torch.cat([ordered[:1] * 0, (ordered[1:] != ordered[:-1]).cumsum(0)])
        edges = edges[: int(ordered_group[-1]) + 2] if readable else edges
        group = scattered(torch.empty_like(order), 0, order, ordered_group)
    if is_transformed():  # vmap would hand the search tensors that it has to copy
        counts = torch.zeros_like(edges[1:]).scatter_add(0, ordered_group, torch.ones_like(ordered_group))
        first = counts.cumsum(0) - counts
    else:
        ends = torch.searchsorted(ordered_group, edges)
        first, counts = ends[:-1], ends[1:] - ends[:-1]
    num_groups, width, least = counts.shape[0], max_per_class, 0
    if readable:
        wanted = counts if kept is None else counts[:-1]  # the last are those that are ignored
        least, width = (int(end) for end in wanted.aminmax()) if wanted.shape[0] else (0, 1)
        width = max(width, 1)
        if max_per_class is not None and width > max_per_class:
            raise ValueError(
                f"{who}: no class may have more than max_per_class={max_per_class} samples in a batch; class "
                f"{int(ordered[first[wanted.argmax()]])} has {width}. Give max_per_class={width}, or leave it out."
            )
    if width is None or not padding_pays(num_samples, num_groups, width, feature_dim, neighbors):
        return ClassGroups(group, counts, None, None, least)
    place = torch.arange(num_samples, device=labels.device)
    if least == width and kept is None:
        slot = scattered(torch.empty_like(order), 0, order, place)
        return ClassGroups(group, counts, order.view(num_groups, width), slot, least, complete=True, counted=True)
    shift = edges[:-1] * width - first
    ordered_slot = place + shift.index_select(0, ordered_group)
    members = order.index_select(0, first.clamp_max(num_samples - 1)).repeat_interleave(width)
    counted = readable and kept is None
    if not counted:  # a class may be larger than was promised: its surplus is left out, on a place of its own
        ordered_slot = torch.where(ordered_slot < (ordered_group + 1) * width, ordered_slot, num_groups * width)
        counts, members = counts.clamp_max(width), torch.cat([members, order[:1]])
    members = scattered(members, 0, ordered_slot, order)[: num_groups * width]
    slot = scattered(torch.empty_like(order), 0, order, ordered_slot)
    return ClassGroups(group, counts, members.view(num_groups, width), slot, least, counted=counted)


def padding_pays(num_samples: int, num_groups: int, width: int, feature_dim: int, neighbors: int) -> bool:
    """Whether ``num_groups`` blocks of ``width`` samples take no more memory than one block of all samples.

    Each block holds its points, about two numbers for each pair of an anchor and a point, and about eight for each
    neighbour that an anchor chooses.
    """

    def numbers(blocks: int, points: int, anchors: int) -> int:
        return blocks * (points * feature_dim + anchors * (2 * points + 8 * min(neighbors, points)))

    return numbers(num_groups, width, width + 1) <= numbers(1, num_samples, num_samples + num_groups)
