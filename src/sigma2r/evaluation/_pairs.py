"""Pairs of images of one class (genuine) and of two (impostor), by number: all of them, or some drawn at random.

Axes: N images.
"""

import torch
from torch import Tensor


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
