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
    classes_per_batch: int | None = None,
    kept: Tensor | None = None,
) -> ClassGroups:
    """Choose the layout for a batch of N ``labels`` and place every sample in it.

    Samples that are not ``kept`` (N,) make one more class, behind the others, which need not be complete.

    How many classes there are and how many samples the largest has are shapes, so the host must know them: from
    ``classes_per_batch`` and ``max_per_class``, or by counting labels where looking is free. The layout that takes less
    memory is chosen, so that padding never costs more of it than the masked search.

    Raises:
        ValueError: If a promise is below 1, or broken where it can be seen.
    """
    if max_per_class is not None:
        check_count(who, max_per_class=max_per_class)
    if classes_per_batch is not None:
        check_count(who, classes_per_batch=classes_per_batch)
    num_samples, readable = labels.shape[0], values_are_readable(labels)
    if not num_samples:
        return ClassGroups(labels, labels, None, None)
    if kept is not None:
        labels, num_classes = torch.where(kept.to(labels.device), labels, num_classes), num_classes + 1
    ordered, order = labels.sort(stable=True)
    most = None if classes_per_batch is None or readable else int(classes_per_batch) + (kept is not None)
    runs = _runs(ordered, order, labels, num_classes, most, readable)
    num_groups, width, least = runs.counts.shape[0], max_per_class and int(max_per_class), 0
    if readable:
        wanted = runs.counts if kept is None else runs.counts[:-1]  # the last are those that are ignored
        least, largest = (int(end) for end in wanted.aminmax()) if wanted.shape[0] else (0, 1)
        if width is not None and largest > width:
            which = int(ordered[runs.first[wanted.argmax()]])
            raise ValueError(
                f"{who}: no class may have more than max_per_class={width} samples in a batch; class {which} has "
                f"{largest}. Give max_per_class={largest}, or leave it out."
            )
        if classes_per_batch is not None and wanted.shape[0] > classes_per_batch:
            raise ValueError(
                f"{who}: a batch may hold no more than classes_per_batch={classes_per_batch} classes; this one holds "
                f"{wanted.shape[0]}. Give classes_per_batch={wanted.shape[0]}, or leave it out."
            )
        width = max(largest, 1)
    if width is None or not padding_pays(num_samples, num_groups, width, feature_dim, neighbors):
        return ClassGroups(runs.group, runs.counts, None, None, least)
    if least == width and kept is None:
        slot = scattered(torch.empty_like(order), 0, order, torch.arange(num_samples, device=labels.device))
        members = order.view(num_groups, width)
        return ClassGroups(runs.group, runs.counts, members, slot, least, complete=True, counted=True)
    return _padded(runs, order, width, least, counted=readable and kept is None)


class _Runs(NamedTuple):
    """The groups of a batch, whose samples stand one behind the other where it is ordered by class."""

    group: Tensor
    """(N,): of each sample."""
    ordered: Tensor
    """(N,): the same in that order."""
    first: Tensor
    """(G,): where each begins there."""
    counts: Tensor
    """(G,): how many samples each has."""
    surplus: bool
    """Whether the last stands for all classes beyond those that were promised: nobody has a partner there."""


def _runs(
    ordered: Tensor, order: Tensor, labels: Tensor, num_classes: int, promised: int | None, readable: bool
) -> _Runs:
    """A group for each class, or for each that is present, as far as the host may count them or was ``promised``."""
    num_samples = labels.shape[0]
    if promised is not None and promised < min(num_classes, num_samples):
        group, ordered_group = (part.clamp_max(promised) for part in present(ordered, order))
        first, counts = _ends(ordered_group, promised + 1)
        return _Runs(group, ordered_group, first, torch.cat([counts[:-1], torch.zeros_like(counts[:1])]), True)
    if num_classes <= num_samples:
        first, counts = _ends(ordered, num_classes)
        if not readable or bool(counts.all()):
            return _Runs(labels, ordered, first, counts, False)
    group, ordered_group = present(ordered, order)
    first, counts = _ends(ordered_group, int(ordered_group[-1]) + 1 if readable else num_samples)
    return _Runs(group, ordered_group, first, counts, False)


def _padded(runs: _Runs, order: Tensor, width: int, least: int, counted: bool) -> ClassGroups:
    """Blocks of ``width`` samples; where not ``counted`` there may be more, which get a place beside all blocks."""
    (num_samples,), (num_groups,), counts = order.shape, runs.counts.shape, runs.counts
    shift = torch.arange(num_groups, device=order.device) * width - runs.first
    slots = torch.arange(num_samples, device=order.device) + shift.index_select(0, runs.ordered)
    members = order.index_select(0, runs.first.clamp_max(num_samples - 1)).repeat_interleave(width)
    if not counted:
        ends = (runs.ordered + 1) * width
        if runs.surplus:
            ends = ends.masked_fill(runs.ordered == num_groups - 1, 0)
        slots = torch.where(slots < ends, slots, num_groups * width)
        counts, members = counts.clamp_max(width), torch.cat([members, order[:1]])
    members = scattered(members, 0, slots, order)[: num_groups * width].view(num_groups, width)
    slot = scattered(torch.empty_like(order), 0, order, slots)
    return ClassGroups(runs.group, counts, members, slot, least, counted=counted)


def present(ordered: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers from 0 for the classes that are present: by sample, and in the order of ``ordered`` labels, both (N,)."""
    ordered_group = torch.cat([ordered[:1] * 0, (ordered[1:] != ordered[:-1]).cumsum(0)])
    return scattered(torch.empty_like(order), 0, order, ordered_group), ordered_group


def _ends(ordered_group: Tensor, num_groups: int) -> tuple[Tensor, Tensor]:
    """Where each group begins among the ordered samples, and how many it has, both (G,)."""
    if is_transformed():  # vmap would hand the search tensors that it has to copy
        counts = torch.zeros_like(ordered_group[:1]).repeat(num_groups)
        counts = counts.scatter_add(0, ordered_group, torch.ones_like(ordered_group))
        return counts.cumsum(0) - counts, counts
    edges = torch.arange(num_groups + 1, device=ordered_group.device)
    ends = torch.searchsorted(ordered_group, edges)
    return ends[:-1], ends[1:] - ends[:-1]


def padding_pays(num_samples: int, num_groups: int, width: int, feature_dim: int, neighbors: int) -> bool:
    """Whether ``num_groups`` blocks of ``width`` samples take no more memory than one block of all samples.

    Each block holds its points, about two numbers for each pair of an anchor and a point, and about eight for each
    neighbour that an anchor chooses.
    """

    def numbers(blocks: int, points: int, anchors: int) -> int:
        return blocks * (points * feature_dim + anchors * (2 * points + 8 * min(neighbors, points)))

    return numbers(num_groups, width, width + 1) <= numbers(1, num_samples, num_samples + num_groups)
