"""A sample for each place of an epoch."""

import torch
from torch import Tensor


def draw(slots: Tensor, counts: Tensor, by_class: Tensor, generator: torch.Generator) -> Tensor:
    """Go through every class in random orders, one after another, until its places are filled.

    Args:
        slots: The class of each place, shape ``(S,)``.
        counts: Samples of each class, shape ``(C,)``.
        by_class: Sample numbers, class by class, shape ``(N,)``.
        generator: Draws the orders.

    Returns:
        Sample numbers, shape ``(S,)``, of the dtype of ``by_class``.
    """
    drawn = torch.bincount(slots, minlength=counts.shape[0])
    passes = -(-drawn // counts)
    sizes = counts.repeat_interleave(passes)  # of each pass through a class
    total = int(sizes.sum())
    index = torch.int32 if max(total, slots.shape[0]) < 2**31 else torch.int64  # half the memory to move
    pass_of = torch.arange(sizes.shape[0], dtype=index).repeat_interleave(sizes)
    shuffled = torch.randperm(total, generator=generator, dtype=index)
    order = pass_of.index_select(0, shuffled).argsort(stable=True)
    shuffled = shuffled.index_select(0, order)  # random within each pass
    # Place p of a pass is place p of its class in by_class.
    shift = (counts.cumsum(0) - counts).repeat_interleave(passes) - (sizes.cumsum(0) - sizes)
    sequence = by_class.index_select(0, shuffled.add_(shift.to(index).index_select(0, pass_of)))

    length = passes * counts  # of a class in sequence, of which the first drawn are taken
    skipped = (length.cumsum(0) - length) - (drawn.cumsum(0) - drawn)
    taken = torch.arange(slots.shape[0], dtype=index).add_(skipped.to(index).repeat_interleave(drawn))
    places = slots.to(index).argsort(stable=True)
    return torch.empty_like(taken, dtype=by_class.dtype).scatter_(0, places, sequence.index_select(0, taken))
