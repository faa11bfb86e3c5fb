"""Modules whose numbers keep their precision, whatever the network around them is turned into."""

from collections.abc import Callable

from torch import Tensor, nn


class KeepsDtype(nn.Module):
    """Abstract: a module whose buffers move between devices, and keep their dtype: ``half()`` leaves them alone.

    A threshold is one of the scores that it was taken from, and sums are exact because they are wide.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "KeepsDtype":
        def moved(tensor: Tensor) -> Tensor:
            new = fn(tensor)
            return new if new.dtype == tensor.dtype else tensor.to(new.device)

        return super()._apply(moved, recurse)  # type: ignore[no-any-return, no-untyped-call]
