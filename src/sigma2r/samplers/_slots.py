"""Which class stands at each place of an epoch: two policies for classes of unequal size.

Axes: C classes, T batches an epoch, B samples a batch; P classes stand in a batch, or K samples of a class.
"""

import torch
from torch import Tensor


class Repeat:
    """Every class as often as the largest: small classes are gone through many times.

    Args:
        counts: Samples of each class, shape ``(C,)``.
        batch_size: B.
        places: P.
        num_batches: T; None: as many as it takes to draw every sample, and a multiple of ``share``.
        share: By how many processes an epoch is shared.
    """

    def __init__(self, counts: Tensor, batch_size: int, places: int, num_batches: int | None, share: int = 1) -> None:
        self.batch_size, self.places = batch_size, places
        num_classes = counts.shape[0]
        if places == num_classes:
            self.needed = -(-int(counts.max()) * num_classes // batch_size)
            self.visits = torch.full_like(counts, self.needed)
        else:
            self.visits = -(-counts // (batch_size // places))
            self.needed = max(int(self.visits.max()), -(-int(self.visits.sum()) // places))
        self.num_batches = num_batches or share * -(-self.needed // share)
        self.max_per_class = -(-batch_size // places)

    def slots(self, generator: torch.Generator) -> Tensor:
        """The class of each place, batch after batch, shape ``(T B,)``."""
        order = torch.randperm(self.visits.shape[0], generator=generator, dtype=torch.int32)
        if self.places == order.shape[0]:
            # Dealing the classes round and round gives any B places in a row floor or ceil of B / C of each, and
            # all T B places floor or ceil of T B / C.
            total = self.num_batches * self.batch_size
            return order.repeat(-(-total // order.shape[0]))[:total]
        total = self.num_batches * self.places
        visits, lowest, rest = _water_level(self.visits.clamp_max(self.num_batches)[order], total)
        visits[lowest[torch.randperm(lowest.shape[0], generator=generator)[:rest]]] += 1
        queue = order.repeat_interleave(visits)[:total]
        # Visit g goes to batch g mod T: no class has more than T visits, so they land in different batches.
        schedule = queue.view(self.places, self.num_batches).T[torch.randperm(self.num_batches, generator=generator)]
        schedule = schedule.gather(1, torch.rand(schedule.shape, generator=generator).argsort(dim=1))
        return schedule.repeat(1, -(-self.batch_size // self.places))[:, : self.batch_size].flatten()


class Cover:
    """Each sample about once, and classes as even as that allows.

    Each sample is drawn q or q + 1 times, where q = T B // N; what q N leaves of T B goes to the smallest classes. A
    class with K samples for every batch resides: it stands in each of them, floor or ceil of its share. The others
    visit: they come K or more at a time, less where their samples or the places for a group end.

    Args:
        counts: Samples of each class, shape ``(C,)``.
        batch_size: B.
        group: K.
        num_batches: T; None: as many as it takes to draw every sample, and a multiple of ``share``.
        share: By how many processes an epoch is shared.
    """

    def __init__(self, counts: Tensor, batch_size: int, group: int, num_batches: int | None, share: int = 1) -> None:
        num_samples = int(counts.sum())
        self.batch_size = batch_size
        self.num_batches = num_batches or share * -(-num_samples // (batch_size * share))
        total = self.num_batches * batch_size
        least = total // num_samples * counts
        self.drawn, self.open, self.rest = _water_level(least, total, least + counts)
        self.resides = self.drawn >= group * self.num_batches
        residents, visitors = self.drawn[self.resides], self.drawn[~self.resides]
        filled = int(residents.sum())
        most_filled = -(-(filled + self.rest) // self.num_batches)
        self.groups = max(1, (batch_size - most_filled) // group)
        widest = -(-(batch_size - filled // self.num_batches) // self.groups)
        # One more than planned, where a class gets one of the rest.
        most, at_once = (int(part.max()) + min(self.rest, 1) if part.numel() else 0 for part in (residents, visitors))
        self.max_per_class = max(-(-most // self.num_batches), min(widest, at_once))

    def slots(self, generator: torch.Generator) -> Tensor:
        """The class of each place, batch after batch, shape ``(T B,)``."""
        drawn = self.drawn.clone()
        drawn[self.open[torch.randperm(self.open.shape[0], generator=generator)[: self.rest]]] += 1
        order = torch.randperm(drawn.shape[0], generator=generator, dtype=torch.int32)
        order = torch.cat([order[self.resides[order]], order[~self.resides[order]]])
        queue = order.repeat_interleave(drawn[order])
        # Residents are dealt to the batches in turn. Visitors fill the rest one group of columns after another, each
        # from batch to batch: K T samples in a row come back to the same batch with no more than a group in all.
        filled = int(drawn[self.resides].sum())
        place = torch.arange(queue.shape[0]).view(self.batch_size, self.num_batches)
        columns = place[filled // self.num_batches :].tensor_split(self.groups)
        free = torch.cat([group.T.flatten() for group in columns])
        dealt = torch.cat([torch.arange(filled), free[free >= filled]])
        classes = torch.empty_like(queue).scatter_(0, dealt, queue).view(place.shape).T
        return classes[torch.randperm(self.num_batches, generator=generator)].flatten()


def _water_level(low: Tensor, total: int, high: Tensor | None = None) -> tuple[Tensor, Tensor, int]:
    """Raise the lowest of ``low`` evenly until they sum to ``total``, none above ``high``.

    Returns:
        The raised numbers, those of them at the level that may be raised by one more, and how many must be.
    """

    def raised(level: int) -> Tensor:
        return low.clamp_min(level) if high is None else low.clamp_min(level).minimum(high)

    bottom, top = 0, total
    while bottom < top:  # the highest level that fits
        level = (bottom + top + 1) // 2
        bottom, top = (level, top) if int(raised(level).sum()) <= total else (bottom, level - 1)
    found = raised(bottom)
    at_level = found == bottom if high is None else (found == bottom) & (found < high)
    return found, at_level.nonzero().squeeze(1), max(0, total - int(found.sum()))
