"""Which images are held out together: each once, and every class spread evenly over the folds.

Axes: N images.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from sigma2r._values import Count, Natural, checked
from sigma2r.data.loaders import seats

NEVER = -1
"""The fold of an image that is never held out, since its class has no other to be learned from."""


@checked
def assign_folds(labels: Int[Tensor, " N"], folds: Count, seed: Natural = 0) -> Int[Tensor, " N"]:
    """The fold of each image, drawn at random within its class.

    The images of a class are dealt in turn, so that no fold has more than one of a class more than another; a class
    goes on where the one before it ended, so that folds are of equal size as well. An image that is alone in its class
    has the fold -1 (``NEVER``): a network that is trained without it does not know its class.

    Args:
        labels: Class indices, shape ``(N,)``.
        folds: At least 2.
        seed: Decides which.

    Raises:
        ValueError: If there are fewer than 2 folds, or not as many images as folds.

    Example:
        >>> assign_folds(torch.tensor([0, 0, 0, 0, 1]), 2)
        tensor([ 0,  1,  1,  0, -1])
    """
    if folds < 2:
        raise ValueError(f"audit: folds must be at least 2; got {folds}. An image is judged by networks of the others.")
    counts = torch.bincount(labels)
    several = (counts[labels] > 1).nonzero().flatten()
    if not several.numel():
        raise ValueError(
            "audit: classes must have 2 training images or more, one to be judged by who learned the other; each of "
            f"the {labels.numel():,} training images is alone in its class. Train on more, or audit images by the "
            "run's own network, with --data."
        )
    if several.numel() < folds:
        raise ValueError(
            f"audit: folds must be at most the number of images that have another of their class, {several.numel()}; "
            f"got {folds}."
        )
    shuffled = several[torch.randperm(several.numel(), generator=torch.Generator().manual_seed(seed))]
    by_class, _ = seats(labels, shuffled)
    assigned = torch.full_like(labels, NEVER)
    assigned[by_class] = torch.arange(by_class.numel()) % folds
    return assigned
