"""Whether an optimizer has stepped between two looks, and could have moved what a loss learns."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class Steps:
    """Steps of the optimizers that were shown; no hook is set, so that nothing is left on them.

    An optimizer writes in place into what it holds, which its version tells; a fused one leaves the version alone, so
    there the values of all that it holds are compared. Whoever adds up gradients of several batches has made no step
    between them, and where a scaler skips a step nothing is written.

    Args:
        optimizers: All of the training; None: none was shown.
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer] | None) -> None:
        self._optimizers = optimizers or ()
        self._seen: dict[str, Any] = {}

    def hold(self, parameter: nn.Parameter) -> bool:
        """Whether one of the optimizers holds it."""
        return self._holder(parameter) is not None

    def could_move(self, name: str, parameter: nn.Parameter, *, has_gradient: bool) -> bool:
        """Whether it could have moved since it was last asked for; always so where none of the optimizers holds it.

        Args:
            name: Of what is learned.
            parameter: The same.
            has_gradient: Whether it has one now that is not 0.
        """
        held = self._holder(parameter)
        if held is None:
            return True
        before = self._seen.get(name)
        # Both looks count, as the step between them was taken with the gradient and the rate of either.
        now = _written(*held, parameter) if has_gradient and _rate(held[1]) != 0 else None
        self._seen[name] = now
        return before is not None and now is not None and before != now

    def _holder(self, parameter: nn.Parameter) -> tuple[torch.optim.Optimizer, dict[str, Any]] | None:
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                if any(each is parameter for each in group["params"]):
                    return optimizer, group
        return None


def _rate(group: dict[str, Any]) -> float:
    """The learning rate of a group; 1 where it has none of its own."""
    rate = group.get("lr")
    return 1.0 if rate is None else float(rate)


def _written(optimizer: torch.optim.Optimizer, group: dict[str, Any], parameter: nn.Parameter) -> Any:
    """What is another thing after each step that was made."""
    if not group.get("fused"):
        return parameter._version
    return [float(each.detach().double().sum()) for group in optimizer.param_groups for each in group["params"]]
