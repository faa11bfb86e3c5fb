"""Pairs of images of one class (genuine) and of two (impostor), by number: all of them, or some drawn at random.

Axes: N images, P pairs, G thresholds, S draws.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_AT_ONCE = 2**19  # weights of pairs held at once: so that they stay in the cache


class Numbered:
    """Every unordered pair of one kind, numbered from 0, without a list of them.

    With images sorted by class, image i has partners of its class behind it up to the end of the class, and partners
    of other classes from there on.

    Args:
        labels: Shape ``(N,)``.
        genuine: Whether pairs are of one class.
    """

    def __init__(self, labels: Tensor, *, genuine: bool) -> None:
        self.order = labels.argsort(stable=True)
        _, inverse, count = torch.unique(labels[self.order], return_inverse=True, return_counts=True)
        ends = count.cumsum(0)[inverse]
        places = torch.arange(labels.shape[0], device=labels.device)
        self.first = places + 1 if genuine else ends
        partners = (ends if genuine else labels.shape[0]) - self.first
        self.before = partners.cumsum(0) - partners
        self.total = int(partners.sum())

    def __getitem__(self, numbers: Tensor) -> Tensor:
        """Indices of the images of some pairs, ``(len(numbers), 2)``."""
        place = torch.searchsorted(self.before, numbers, right=True) - 1
        partner = self.first[place] + numbers - self.before[place]
        return torch.stack([self.order[place], self.order[partner]], dim=1)

    def some(self, most: int, generator: torch.Generator | None) -> Tensor:
        """All pairs, or ``most`` drawn with replacement if there are more."""
        if self.total <= most:
            return self[torch.arange(self.total, device=self.order.device)]
        return self[torch.randint(self.total, (most,), generator=generator).to(self.order.device)]


def running_weights(weights: Tensor, pairs: Tensor, below: Tensor, *, of_both: bool) -> Tensor:
    """Weight of the pairs up to each threshold, ``(S, G)`` float64, where a pair weighs as the product of its images.

    Args:
        weights: How often each image counts, whole numbers, shape ``(S, N)``.
        pairs: Sorted by their distance, shape ``(P, 2)``.
        below: How many pairs lie at or below each threshold, ascending from 0 to P, shape ``(G,)``.
        of_both: Whether both images count; otherwise the first alone.
    """
    rows = weights.T.float().contiguous()  # sums of whole numbers, exact below 2^24 between two thresholds
    sums = rows.new_zeros(below.shape[0], rows.shape[1])
    step = max(1, _AT_ONCE // rows.shape[1])
    for start in range(0, pairs.shape[0], step):
        some = pairs[start : start + step]
        product = rows.index_select(0, some[:, 0])
        if of_both:
            product *= rows.index_select(0, some[:, 1])
        first = int(torch.searchsorted(below, start, right=True))
        last = int(torch.searchsorted(below, start + some.shape[0]))
        begins = (below[first - 1 : last] - start).clamp_min(0)
        every = torch.arange(some.shape[0], device=rows.device)
        sums[first : last + 1] += F.embedding_bag(every, product, begins, mode="sum")
    return sums.double().cumsum(0).T
