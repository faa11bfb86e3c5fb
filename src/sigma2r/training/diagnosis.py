"""Diagnosis while Lightning trains: figures to the logs, warnings once."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sigma2r.diagnosis import Watch
from sigma2r.models.modes import evaluating
from sigma2r.training.module import CompactClassifier


class Diagnose(pl.Callback):
    """Watches the added loss of a :class:`CompactClassifier` every so many steps; changes nothing of the training.

    Args:
        every: Steps of the optimizer between two observations; each waits for the device.
        patience: How many observations a thing must last before it is told.
    """

    def __init__(self, every: int = 50, patience: int = 5) -> None:
        self.every = every
        self.patience = patience
        self._watch: Watch | None = None
        self._seen_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember where centers start."""
        assert isinstance(pl_module, CompactClassifier)
        if pl_module.criterion is not None:
            self._watch = Watch(pl_module.criterion, patience=self.patience, optimizer=trainer.optimizers)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the hooks off the loss."""
        if self._watch is not None:
            self._watch.remove()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Observe: gradients are still there, and the optimizer has stepped."""
        stepped = trainer.global_step != self._seen_step  # not where gradients are only added up
        self._seen_step = trainer.global_step
        if self._watch is None or not stepped or trainer.global_step % self.every:
            return
        assert isinstance(pl_module, CompactClassifier)
        assert pl_module.criterion is not None
        images, labels = batch
        features, logits = self._look(pl_module, images)
        cross_entropy = float(outputs["cross_entropy"])
        figures = self._watch.observe(features, labels, cross_entropy=cross_entropy, num_classes=logits.shape[1])
        pl_module.log_dict({f"diagnosis/{name}": value for name, value in figures.items()})

    @torch.no_grad()
    def _look(self, module: CompactClassifier, images: Tensor) -> tuple[Tensor | list[Tensor], Tensor]:
        """What the losses see, and logits, of the batch in evaluation mode: no statistic of the model moves."""
        with evaluating(module.model):
            features, logits = module.model(images)
        return module.seen_by_losses(features), logits
