r"""An exponential moving average of the weights, beside those that are trained."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from sigma2r.training.module import CompactClassifier

TRAINED = "trained_weights"
"""Where a checkpoint keeps the weights that training goes on with; under ``state_dict`` are the averaged ones."""


class Average(pl.Callback):
    r"""Averages what a module learns and keeps (weights, centers, statistics of batch norms) over the steps.

    .. math:: \bar w_1 = w_1, \qquad \bar w_t = d \, \bar w_{t-1} + (1 - d) \, w_t

    after each step :math:`t` of the optimizer, in the dtype of the weights; whole numbers are those of the last step.
    Checkpoints hold both, so that resuming is exact.

    Args:
        decay: d, in (0, 1).

    Source: torch's ``get_ema_multi_avg_fn``, which starts alike at the weights of the first step.
    """

    def __init__(self, decay: float) -> None:
        self._mixed = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self.steps = 0
        self._average: dict[str, Tensor] = {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the weights of a step; batches whose gradients are only added up make none."""
        if trainer.global_step == self.steps:
            return
        live = pl_module.state_dict()
        if not self.steps:
            self._average = {name: value.clone() for name, value in live.items()}
        numbers = [name for name, value in live.items() if value.is_floating_point()]
        self._mixed([self._average[name] for name in numbers], [live[name] for name in numbers], self.steps)
        _copy({name: value for name, value in live.items() if name not in numbers}, self._average)
        self.steps = trainer.global_step

    @contextmanager
    def instead(self, module: CompactClassifier) -> Iterator[None]:
        """Within the block the module has the averaged weights."""
        live = module.state_dict()
        trained = {name: value.clone() for name, value in live.items()}
        _copy(self._average, live)
        try:
            yield
        finally:
            _copy(trained, live)

    def settle(self, module: CompactClassifier) -> None:
        """Give the module the averaged weights for good."""
        _copy(self._average, module.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of it beside the weights."""
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a checkpoint ended."""
        self.steps = state_dict["steps"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the averaged weights where those of a module are looked for, and the trained ones beside them."""
        checkpoint[TRAINED] = checkpoint["state_dict"]
        checkpoint["state_dict"] = self._average

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take the averaged weights, which the module has been given, and give it the trained ones."""
        self._average = {name: value.clone() for name, value in pl_module.state_dict().items()}
        pl_module.load_state_dict(checkpoint[TRAINED])


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in source.items():
        target[name].copy_(value)
