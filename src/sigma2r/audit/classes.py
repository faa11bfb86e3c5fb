"""Classes that overlap, and classes that are too small to be learned, judged or measured.

Axes: N images, C classes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

FEW = 20
"""Images of a class below which it is too small, whatever the others have."""
SHARE = 0.1
"""Share of the median class below which a class is too small beside the others."""
FEW_TESTS = 10
"""Test images of a class below which one of them moves its recall by more than 10 points."""


@dataclass(frozen=True)
class Overlap:
    """Two classes that are taken for each other.

    Args:
        one: A class.
        other: Another, with a larger number.
        as_other: Images given the first that are predicted as the second.
        as_one: The other way round.
        share: Both, over all judged images of the two classes.
    """

    one: int
    other: int
    as_other: int
    as_one: int
    share: float


def confusion(labels: Int[Tensor, " N"], predicted: Int[Tensor, " N"], num_classes: int) -> Int[Tensor, "C C"]:
    """How many images of each given class (rows) are predicted as each class (columns)."""
    counted = torch.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return counted.view(num_classes, num_classes)


def overlaps(counts: Int[Tensor, "C C"]) -> list[Overlap]:
    r"""Pairs of classes that are taken for each other at all, the largest share first.

    .. math:: s_{ab} = \frac{n_{ab} + n_{ba}}{n_{a \cdot} + n_{b \cdot}}

    Args:
        counts: As :func:`confusion` gives them, of predictions for images that the network was not trained on.

    Example:
        >>> [pair.share for pair in overlaps(torch.tensor([[8, 2, 0], [1, 9, 0], [0, 0, 5]]))]
        [0.15]
    """
    taken = (counts + counts.T).triu(1)
    of_each = counts.sum(1)
    found = [
        Overlap(
            one, other, int(counts[one, other]), int(counts[other, one]),
            int(taken[one, other]) / int(of_each[one] + of_each[other]),
        )
        for one, other in taken.nonzero().tolist()
    ]  # fmt: skip
    return sorted(found, key=lambda pair: (-pair.share, pair.one, pair.other))


def too_small(counts: Int[Tensor, " C"]) -> Bool[Tensor, " C"]:
    """Which classes have fewer than 20 images (``FEW``), or than a tenth (``SHARE``) of the median class.

    Args:
        counts: Training images of each class, shape ``(C,)``.

    Returns:
        Shape ``(C,)``.

    Example:
        >>> too_small(torch.tensor([1000, 900, 950, 80, 15]))
        tensor([False, False, False,  True,  True])
    """
    middle = counts.double().quantile(0.5)
    return (counts < FEW) | (counts < SHARE * middle)
