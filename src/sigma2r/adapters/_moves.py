"""Whether what a loss learns moves while its network does: looked at between steps, until it is known."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle, unserializable_hook

from sigma2r._shown import listed

_MOST = 2**16  # numbers of one parameter that are compared
_PARTS = 8  # parameters of the network that are


@dataclass
class _Learned:
    """A parameter of the losses, as it was at the last look."""

    parameter: nn.Parameter
    rows: Tensor | None
    """Of a large table those of the last batch's classes, which alone are compared."""
    seen: Tensor
    had_gradient: Tensor | None = None
    """Whether any since the last look was not 0, where it is compared; None: there was none."""
    chances: int = 0
    handle: RemovableHandle | None = None

    def hear(self) -> None:
        """Note gradients as they come, without waiting for them."""

        @unserializable_hook  # type: ignore[untyped-decorator]
        def note(gradient: Tensor) -> None:
            is_any = (_sample(gradient, self.rows) != 0).any()
            self.had_gradient = is_any if self.had_gradient is None else self.had_gradient | is_any

        self.handle = self.parameter.register_hook(note)  # type: ignore[no-untyped-call]

    def begin(self, labels: Any) -> None:
        """Compare from here on what a batch of these labels reaches."""
        self.rows = _rows_of(self.parameter, labels)
        self.seen, self.had_gradient = _sample(self.parameter, self.rows), None

    def forget(self) -> None:
        """Take the hook off."""
        if self.handle is not None:
            self.handle.remove()


class Moves:
    """Looks at each training step whether the step before has moved what it should have, and warns once if not.

    It knows no optimizer, so it serves whoever has one: a step was made where the network moved. Gradients that are
    added up over several batches, and steps that a scaler skips, are therefore no steps. Each look is at what the pass
    before it had a gradient for, so rows that a batch does not hold, and gradients that were let go, count for nothing.

    Args:
        who: How the warning begins.
        patience: In how many steps it must have stayed where it was.
    """

    def __init__(self, who: str, patience: int = 5) -> None:
        self.who = who
        self.patience = patience
        self._learned: dict[str, _Learned] | None = None
        self._network: list[tuple[nn.Parameter, Tensor]] = []

    @torch.no_grad()
    def look(self, network: nn.Module, criterion: nn.Module, labels: Any) -> None:
        """Once at each step, before the loss is taken.

        Args:
            network: What has to move for a step to count.
            criterion: What is looked at.
            labels: Of the batch: of a large table the rows of its classes are compared.
        """
        if torch.compiler.is_compiling():
            return
        if self._learned is None:
            self._begin(network, criterion, labels)
        if not self._learned:
            return
        is_a_step = self._network_moved()
        for name, each in list(self._learned.items()):
            if not torch.equal(each.seen, _sample(each.parameter, each.rows)):
                each.forget()
                del self._learned[name]
                continue
            if is_a_step and each.had_gradient is not None and bool(each.had_gradient):
                each.chances += 1
            each.begin(labels)
        resting = [name for name, each in self._learned.items() if each.chances >= self.patience]
        if resting:
            self._tell(resting)

    def _begin(self, network: nn.Module, criterion: nn.Module, labels: Any) -> None:
        moving = [p for p in network.parameters() if p.requires_grad and p.numel()][-_PARTS:]
        self._network = [(p, _sample(p, None)) for p in moving]
        self._learned = {}
        for name, p in criterion.named_parameters() if moving else ():
            if p.requires_grad and p.is_leaf and p.numel():
                rows = _rows_of(p, labels)
                self._learned[name] = _Learned(p, rows, _sample(p, rows))
                self._learned[name].hear()

    def _network_moved(self) -> bool:
        """Whether it lies elsewhere than at the last look."""
        now = [(p, _sample(p, None)) for p, _ in self._network]
        moved = any(not torch.equal(a, b) for (_, a), (_, b) in zip(self._network, now, strict=True))
        self._network = now
        return moved

    def _tell(self, resting: list[str]) -> None:
        assert self._learned is not None
        for each in self._learned.values():
            each.forget()
        self._learned = {}
        warnings.warn(
            f"{self.who}: {listed(resting)} got gradients in {self.patience} steps in which the network moved, and "
            "never moved. Are they in no optimizer, or at a rate of 0? Build it from "
            "model.param_groups(lr=..., loss_lr=...), or call own_groups(optimizer, model.criterion, lr=...).",
            stacklevel=6,
        )


def _sample(values: Tensor, rows: Tensor | None) -> Tensor:
    """A copy of some of the numbers of a parameter, or of its gradient."""
    values = values.detach()
    if rows is None and values.is_sparse:
        rows = torch.arange(min(max(_MOST * len(values) // values.numel(), 1), len(values)), device=values.device)
    if rows is None:
        return values.flatten()[:_MOST].clone()
    chosen = values.index_select(0, rows)
    return chosen.to_dense() if chosen.is_sparse else chosen


def _rows_of(parameter: Tensor, labels: Any) -> Tensor | None:
    """The rows of a batch's classes, where a table is too large to be compared as a whole; None: its first numbers."""
    if parameter.numel() <= _MOST or not isinstance(labels, Tensor) or labels.is_floating_point():
        return None
    classes: Tensor = labels.detach().flatten().long().unique().to(parameter.device)  # type: ignore[no-untyped-call]
    classes = classes[(classes >= 0) & (classes < parameter.shape[0])]
    width = parameter.numel() // parameter.shape[0]
    return classes[: max(_MOST // width, 1)] if classes.numel() else None
