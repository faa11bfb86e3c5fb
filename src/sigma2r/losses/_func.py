"""What ``torch.func`` (grad, vmap, jvp, ...) wants done in another way."""

import torch
from torch import Tensor


def is_transformed() -> bool:
    """Whether ``torch.func`` is at work: its tensors hide their values, as those of a compiler do."""
    # torch has no public name for this; its own autograd.Function asks the same.
    return not torch.compiler.is_compiling() and bool(torch._C._are_functorch_transforms_active())


def is_functional() -> bool:
    """Whether writing in place is no gain: a compiler does without it, and vmap has no rules for much of it."""
    return torch.compiler.is_compiling() or is_transformed()


def scattered(target: Tensor, dim: int, index: Tensor, values: Tensor | float) -> Tensor:
    """``target`` with ``values`` at ``index``: written in place, where that is a gain."""
    write = target.scatter if is_functional() else target.scatter_
    return write(dim, index, values)
