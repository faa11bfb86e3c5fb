"""Classes added to or removed from a trained loss: the same parameters with other rows, in their optimizer too."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def grow(parameter: nn.Parameter, rows: Tensor, optimizer: torch.optim.Optimizer | None) -> None:
    """Append ``rows`` to a parameter, and rows of zeros to what ``optimizer`` remembers of it."""
    _replace(parameter, lambda old: torch.cat([old, rows.to(old)]), optimizer, lambda old: _padded(old, len(rows)))


def keep_rows(parameter: nn.Parameter, kept: Tensor, optimizer: torch.optim.Optimizer | None) -> None:
    """Leave the rows ``kept`` of a parameter and of what ``optimizer`` remembers of it."""

    def chosen(old: Tensor) -> Tensor:
        return old.index_select(0, kept.to(old.device))

    _replace(parameter, chosen, optimizer, chosen)


def _padded(old: Tensor, count: int) -> Tensor:
    return torch.cat([old, old.new_zeros(count, *old.shape[1:])])


def _replace(
    parameter: nn.Parameter,
    change: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer | None,
    change_state: Callable[[Tensor], Tensor],
) -> None:
    """Give a parameter other rows and stay the same object, so that whoever holds it still does."""
    shape = parameter.shape
    parameter.data = change(parameter.data)
    parameter.grad = None
    if optimizer is None:
        return
    state = optimizer.state.get(parameter, {})
    for name, value in state.items():
        if isinstance(value, Tensor) and value.shape == shape:
            state[name] = change_state(value)
