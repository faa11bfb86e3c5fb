r"""Intervals of figures that are at least 0 and bend: within their range, and without the figures' bias.

Axes: N images, S draws, H halves of the images.

A figure :math:`v` in :math:`(0, b)` is looked at as :math:`z = \log \frac{v}{b - v}`, without a bound as
:math:`z = \log v`: there no change to first order leaves the range. Noise of class means adds to the distances between
them, so such a figure of n images is biased, by about :math:`\beta / n`. Of half of them it is twice as much, and else
halves differ by nothing from the whole, in the mean: so the mean of :math:`z` over halves, less :math:`z`, is the bias.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from sigma2r.evaluation.bootstrap import Bootstrap

FEW = "the images are too few for one; halves of them, or draws, differ too much from the whole."
_SPLITS = 2  # into two halves each
_NOTHING = 1e-12  # what rounding leaves of a figure without units that is 0


def halves(labels: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Places of half the images of every class, drawn at random, then of the others; one that is alone is in both."""
    labels = labels.cpu()
    for _ in range(_SPLITS):
        drawn = torch.randperm(labels.shape[0], generator=generator)
        order = drawn[labels[drawn].argsort(stable=True)]
        ordered = labels[order]
        first = torch.searchsorted(ordered, ordered)
        odd = (torch.arange(labels.shape[0]) - first) % 2 == 1
        alone = torch.searchsorted(ordered, ordered, right=True) - first == 1
        yield order[~odd]
        yield order[odd | alone]


def moved(value: Tensor, change: Tensor, most: float = torch.inf) -> Tensor:
    """A figure after changes to first order, ``(S,)``, within (0, ``most``)."""
    if not value > 0:
        return value + 0 * change
    return _back(_stretched(value, most) + change * (1 / value + 1 / (most - value)), most)


def interval(
    bootstrap: Bootstrap, value: Tensor, drawn: Tensor, of_halves: Tensor, most: float = torch.inf
) -> tuple[Tensor, Tensor] | None:
    """The ends for a figure, less its bias, and as far as the figure itself; None where it would not mean anything.

    The bias is known to first order. Left out is an interval whose bias squared, which is of the size of what comes
    next, is more than a quarter of the standard deviation of the draws, or where that is more than a half, a factor of
    1.6.

    Args:
        bootstrap: For the confidence.
        value: Of all images, a scalar.
        drawn: Of draws, shape ``(S,)``.
        of_halves: Of halves, shape ``(H,)``; NaN where one has no such figure.
        most: What the figure can be at most.
    """
    if of_halves.isnan().any():
        return None
    if (drawn - value).abs().amax() <= _NOTHING * value.clamp_min(1):
        return value, value
    middle = _stretched(value, most)
    stretched = _stretched(drawn, most)
    bias = _stretched(of_halves, most).mean() - middle
    deviation = stretched.std()
    if not (deviation <= 0.5 and bias.square() <= deviation / 4):
        return None
    low, high = (_back(end - bias, most) for end in bootstrap.ends(stretched))
    return low.minimum(value), high.maximum(value)


def _stretched(values: Tensor, most: float) -> Tensor:
    return values.log() if most == torch.inf else (values / (most - values)).log()


def _back(stretched: Tensor, most: float) -> Tensor:
    return stretched.exp() if most == torch.inf else most * stretched.sigmoid()
