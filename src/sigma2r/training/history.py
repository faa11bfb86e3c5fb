"""What is kept of each epoch: measures, what the loss keeps for each class, and seconds; checkpoints carry it."""

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sigma2r.training.module import CompactClassifier

Measure = Callable[[CompactClassifier, bool], dict[str, dict[str, Any]]]


class History(pl.Callback):
    """A list with one dictionary an epoch; saved and restored with checkpoints.

    Args:
        measure: Returns the figures of each split by its name; told whether this is the last time.
        every: Measure every so many epochs; 0: after the last alone.
        epochs: How many epochs there will be.
        of: What is trained, so that no other training goes on from its checkpoint.
    """

    def __init__(self, measure: Measure, every: int, epochs: int, of: str = "") -> None:
        self.measure = measure
        self.every = every
        self.epochs = epochs
        self.of = of
        self.entries: list[dict[str, Any]] = []
        self._sums: dict[str, Tensor] = {}
        self._batches = 0
        self._start = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin a new entry."""
        self._sums, self._batches, self._start = {}, 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add up the terms of the loss on the device: nothing waits for it."""
        for name, value in outputs.items():
            value = value.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._batches += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure, and close the entry."""
        assert isinstance(pl_module, CompactClassifier)
        means = {name: float(total) / self._batches for name, total in self._sums.items()}
        measured_from = time.perf_counter()
        epoch = trainer.current_epoch + 1
        due = epoch == self.epochs or (self.every > 0 and epoch % self.every == 0)
        splits = self.measure(pl_module, epoch == self.epochs) if due else {}
        groups = {g["name"]: g["lr"] for g in trainer.optimizers[0].param_groups}
        entry: dict[str, Any] = {
            "epoch": epoch,
            "lr": groups["network"],
            "loss_lr": groups.get("centers"),
            "train_loss": means["loss"],
            "cross_entropy": means["cross_entropy"],
            "auxiliary": means["auxiliary"],
            "train": None,
            "test": None,
            **splits,
            "train_s": measured_from - self._start,
            "measure_s": time.perf_counter() - measured_from,
        }
        loss = pl_module.criterion.auxiliary if pl_module.criterion is not None else None
        of_classes: Callable[[], dict[str, Tensor]] = getattr(loss, "class_figures", dict)
        entry |= {name: values.tolist() for name, values in of_classes().items()}
        entry |= pl_module.gate_figures()
        self.entries.append(entry)
        for split, figures in splits.items():
            for name in ("accuracy", "intra_mean", "intra_inter"):
                pl_module.log(f"{split}/{name}", torch.tensor(figures[name]), prog_bar=split == "test")

    def best_epoch(self) -> int | None:
        """The first of the epochs with the highest accuracy on validation images; None where there are none."""
        judged = [entry for entry in self.entries if entry.get("validation") is not None]
        return None if not judged else int(max(judged, key=lambda entry: entry["validation"]["accuracy"])["epoch"])

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"entries": self.entries, "of": self.of}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a checkpoint ended."""
        self.entries = list(state_dict["entries"])
