"""Intervals by drawing images, or whole classes, again and again: the percentile bootstrap, without a loop per draw.

Axes: N images, S draws at a time, C classes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_AT_ONCE = 2**22  # weights held at once


@dataclass(frozen=True)
class Bootstrap:
    """How often each image counts in each of many draws of as many images, with replacement.

    The draws depend on nothing but ``seed``, ``num_images`` and ``classes``: figures of the same images are drawn
    alike. They are made on the CPU, so that every device has the same.

    Args:
        num_images: N.
        classes: Class of each image, shape ``(N,)``, where whole classes (identities) are drawn: all images of a class
            then count alike. None: images are drawn.
        resamples: Number of draws; 0: no intervals.
        confidence: What share of the draws lies within an interval.
        seed: Of the draws.

    Example:
        >>> bootstrap = Bootstrap(num_images=4, resamples=200)
        >>> low, high = bootstrap.of_mean(torch.tensor([0.0, 0.0, 1.0, 1.0]))
        >>> low.item(), high.item()
        (0.0, 1.0)

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    """

    num_images: int
    classes: Tensor | None = None
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def weights(self, width: int = 0) -> Iterator[Tensor]:
        """How often each image counts, ``(S, N)`` float64, until all draws were made; fewer at once for more width."""
        generator = torch.Generator().manual_seed(self.seed)
        which: Tensor | None = None
        units = self.num_images
        if self.classes is not None:
            present, which = torch.unique(self.classes.cpu(), return_inverse=True)
            units = present.shape[0]
        at_once = max(1, _AT_ONCE // max(1, self.num_images, width))
        for start in range(0, self.resamples, at_once):
            rows = min(at_once, self.resamples - start)
            drawn = torch.randint(units, (rows, units), generator=generator)
            drawn += units * torch.arange(rows).unsqueeze(1)
            count = torch.bincount(drawn.flatten(), minlength=rows * units).view(rows, units).double()
            yield count if which is None else count.index_select(1, which)

    def interval(self, statistic: Callable[[Tensor], Tensor], width: int = 0) -> tuple[Tensor, Tensor]:
        """The ends of the interval of each figure; NaN where no draw has the figure.

        Args:
            statistic: Takes weights ``(S, N)`` and returns figures ``(S, ...)``, NaN where a draw has none.
            width: How many numbers the statistic holds for one draw, if these are more than N.
        """
        drawn = self.drawn(statistic, width)
        if drawn is None:
            nothing = torch.full_like(statistic(torch.ones(1, self.num_images, dtype=torch.float64))[0], torch.nan)
            return nothing, nothing
        return self.ends(drawn)

    def drawn(self, statistic: Callable[[Tensor], Tensor], width: int = 0) -> Tensor | None:
        """Figures of every draw, ``(resamples, ...)``, of which :meth:`interval` takes the ends; None without draws."""
        return torch.cat([statistic(weights) for weights in self.weights(width)]) if self.resamples else None

    def ends(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """The interval that holds figures ``(resamples, ...)`` with the confidence, as many below as above."""
        tail = (1 - self.confidence) / 2
        low, high = drawn.double().nanquantile(torch.tensor([tail, 1 - tail], dtype=torch.float64), dim=0)
        return low, high

    def of_mean(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The interval of the mean of values of images, ``(N,)`` or ``(N, ...)``; NaN stands for no value."""
        return self.interval(lambda weights: weighted_mean(weights, values))


def weighted_mean(weights: Tensor, values: Tensor) -> Tensor:
    """Means ``(S, ...)`` of values ``(N, ...)`` under weights ``(S, N)``; NaN stands for no value."""
    flat = values.cpu().double().flatten(1) if values.ndim > 1 else values.cpu().double().unsqueeze(1)
    known = ~flat.isnan()
    middle = flat.nanmean(0)  # sums of what is near zero keep their digits
    sums = weights @ torch.where(known, flat - middle, 0.0)
    means = middle + sums / (weights @ known.double())
    return means.view(weights.shape[0], *values.shape[1:])


class Grouped:
    """Sums over the images of each class, for many draws at once.

    Args:
        index: Class of each image, shape ``(N,)``.
        num_classes: C.
    """

    def __init__(self, index: Tensor, num_classes: int) -> None:
        index = index.cpu()
        self.order = index.argsort(stable=True)
        self.count = torch.bincount(index, minlength=num_classes)
        self.ends = self.count.cumsum(0)

    def sums(self, weights: Tensor) -> Tensor:
        """Sums ``(S, C)`` of weights, or of weights times values, ``(S, N)``."""
        running = torch.nn.functional.pad(weights.index_select(1, self.order).cumsum(1), (1, 0))
        return running.index_select(1, self.ends) - running.index_select(1, self.ends - self.count)

    def multiplicity(self, weights: Tensor, by_class: bool) -> Tensor:
        """How often each class counts in a mean over classes, ``(S, C)``: as often as it was drawn, or once if seen."""
        if not by_class:
            return (self.sums(weights) > 0).double()
        first = self.order[(self.ends - self.count).clamp_max(self.order.shape[0] - 1)]
        return weights.index_select(1, first) * (self.count > 0)


def mean_over_classes(values: Tensor, multiplicity: Tensor) -> Tensor:
    """Mean of values ``(S, C)`` of classes that have one, each as often as it counts; shape ``(S,)``."""
    counts = torch.where(values.isnan(), 0.0, multiplicity)
    return (values.nan_to_num() * counts).sum(1) / counts.sum(1)
