"""Classes added to or removed from a trained loss: the same parameters with other rows, in their optimizer too."""

import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


def classes_to_remove(who: str, classes: Any, num_classes: int) -> set[int]:
    """What a caller names: a whole number, or any flat collection of some (list, set, range, tensor, array).

    Raises:
        ValueError: If something is named that is not the index of a class, or no class would be left.
    """
    named = classes.tolist() if hasattr(classes, "tolist") else classes  # tensors and arrays
    many = list(named) if isinstance(named, Iterable) and not isinstance(named, (str, bytes)) else [named]
    found = {_whole(each) for each in many}
    if None in found:
        mask = " Did you mean mask.nonzero().flatten()?" if any(_is_bool(each) for each in many) else ""
        raise ValueError(
            f"{who}: classes must be whole numbers, one or a flat collection, each the index of a class; got "
            f"{classes!r}.{mask}"
        )
    gone = {index for index in found if index is not None}
    if any(not 0 <= index < num_classes for index in gone) or len(gone) == num_classes:
        raise ValueError(f"{who}: classes must lie in [0, {num_classes}), and one must stay; got {classes}.")
    return gone


def _whole(named: Any) -> int | None:
    """The number that is named, or None if it is not a whole one."""
    if _is_bool(named):
        return None
    try:
        return operator.index(named)
    except TypeError:
        return None


def _is_bool(named: Any) -> bool:
    return isinstance(named, bool) or str(getattr(named, "dtype", "")).removeprefix("torch.") == "bool"


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
