"""What is seen of a loss from outside while it trains: how it is called, and how a thing that it learns moves."""

import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r._hooks import OwnHook
from sigma2r.losses import CenterLoss
from sigma2r.losses._module import FeatureLoss


def learned_by(loss: nn.Module, *, frozen: bool = False) -> Iterator[tuple[str, nn.Parameter]]:
    """Centers, of whatever loss, and all else that our losses learn, by name; with ``frozen`` also what rests."""
    for name, part in loss.named_modules():
        averaged = isinstance(part, CenterLoss) and part.center_update == "average"
        for own, parameter in part.named_parameters(recurse=False):
            is_ours = own == "centers" or isinstance(part, FeatureLoss)
            if is_ours and (parameter.requires_grad or averaged or frozen):
                yield f"{name}.{own}".lstrip("."), parameter


def said_not_finite(name: str, parameter: nn.Parameter) -> str | None:
    """What there is to say of a thing that is learned and holds NaN or infinite values; None where it holds none."""
    rows = _rows(parameter.isfinite()).all(1)
    if bool(rows.all()):
        return None
    return (
        f"{name} hold NaN or infinite values in {int((~rows).sum())} of {len(rows)} rows, and will keep them. Go back "
        "to an earlier state, or start centers anew: loss.init_centers(features, labels)."
    )


class TrainingCalls:
    """Calls of one loss in training mode with gradients on, by hooks of its own; nothing waits for the device.

    Compiled code is not looked into.

    Args:
        loss: Called as ``loss(features, labels)``.
    """

    def __init__(self, loss: nn.Module) -> None:
        self.first: Tensor | None = None
        """The value of the first call."""
        self.first_labels: Tensor | None = None
        """And its labels."""
        self._count = 0
        self._without_graph = 0
        self._last: weakref.ref[Tensor] | None = None
        before, after = OwnHook(loss, self._before), OwnHook(loss, self._after)
        self._before_handle = loss.register_forward_pre_hook(before, with_kwargs=True)
        self._after_handle = loss.register_forward_hook(after)

    def _before(self, loss: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        if torch.compiler.is_compiling() or not (loss.training and torch.is_grad_enabled()):
            return
        features = inputs[0] if inputs else keywords.get("features")
        if not isinstance(features, Tensor) or (self._last is not None and self._last() is features):
            return  # the very same tensor again is data, not what a network gives in each step
        self._count += 1
        self._without_graph += not features.requires_grad
        self._last = weakref.ref(features)

    def _after(self, loss: nn.Module, inputs: tuple[Any, ...], value: Any) -> None:
        if torch.compiler.is_compiling() or not (loss.training and torch.is_grad_enabled()):
            return
        if isinstance(value, Tensor):
            self.first = value.detach()
            self.first_labels = inputs[1] if len(inputs) > 1 and isinstance(inputs[1], Tensor) else None
        self._after_handle.remove()

    def saw_a_graph(self) -> bool | None:
        """Whether features carried one in any call since this was last asked; None: there was no call."""
        count, without = self._count, self._without_graph
        self._count = self._without_graph = 0
        return without < count if count else None

    def remove(self) -> None:
        """Take the hooks off."""
        self._before_handle.remove()
        self._after_handle.remove()


class Followed:
    """One thing that a loss learns, mostly a row for each class, from observation to observation.

    Args:
        parameter: Shape ``(C, ...)``, or a single number.
    """

    def __init__(self, parameter: nn.Parameter) -> None:
        self.begin(parameter)

    def begin(self, parameter: nn.Parameter) -> None:
        """Take what is there now for the start."""
        self._start = self._last = parameter.detach().clone()
        self.had_gradient = torch.zeros(len(_rows(parameter)), dtype=torch.bool)
        """Which rows ever had one that is not 0, (C,)."""
        self.looks = 0
        """In how many observations it should have had a gradient."""
        self.chances = 0
        """In how many it could have moved."""
        self.look(parameter)

    @torch.no_grad()
    def look(self, parameter: nn.Parameter) -> None:
        """Take it in as it is now, with its gradient if there is one."""
        if parameter.shape != self._start.shape:  # classes came or went
            return self.begin(parameter)
        self.has_gradient = False
        """Whether it has one now that is not 0."""
        if parameter.grad is not None:
            gradient = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
            having = _rows(gradient != 0).any(1).cpu()
            self.has_gradient = bool(having.any())
            self.had_gradient |= having
        away = _rows(parameter - self._start).float().norm(dim=1)
        self.drift = float(away.sum())
        """Sum of the distances of its rows from their start."""
        self.step = float(_rows(parameter - self._last).float().norm(dim=1).sum())
        """The same from the last look."""
        self.at_rest = (away == 0).cpu()
        """Which rows lie where they started, (C,)."""
        self._last = parameter.detach().clone()
        return None


def _rows(values: Tensor) -> Tensor:
    """A row for each class, (C, D); a single number is one row."""
    return values.reshape(values.shape[0] if values.ndim else 1, -1)
