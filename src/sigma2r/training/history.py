"""What is kept of each epoch: measures, what the loss keeps for each class, and seconds; checkpoints carry it."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sigma2r.training.averaging import Average
from sigma2r.training.module import CompactClassifier

Measure = Callable[[CompactClassifier], dict[str, dict[str, Any]]]


class History(pl.Callback):
    """A list with one dictionary an epoch; saved and restored with checkpoints.

    Args:
        measure: Returns the figures of each split by its name.
        every: Measure every so many epochs; 0: after the last alone.
        epochs: How many epochs there will be.
        of: What is trained, so that no other training goes on from its checkpoint.
        patience: End once the accuracy on validation images has not risen for so many epochs; None: never.
        average: The averaged weights, whose figures are then kept; None: those that are trained.
    """

    def __init__(
        self,
        measure: Measure,
        every: int,
        epochs: int,
        of: str = "",
        *,
        patience: int | None = None,
        average: Average | None = None,
    ) -> None:
        self.measure = measure
        self.every = every
        self.epochs = epochs
        self.of = of
        self.patience = patience
        self.average = average
        self.entries: list[dict[str, Any]] = []
        self._sums: dict[str, Tensor] = {}
        self._batches = 0
        self._start = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train no more where a checkpoint is of a training that had ended before its epochs had."""
        trainer.should_stop = self.stopped is not None

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
        """Measure, close the entry, and end the training if it is time."""
        assert isinstance(pl_module, CompactClassifier)
        with nullcontext() if self.average is None else self.average.instead(pl_module):
            self._close(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or self.stopped is not None

    def _close(self, trainer: pl.Trainer, pl_module: CompactClassifier) -> None:
        means = {name: float(total) / self._batches for name, total in self._sums.items()}
        measured_from = time.perf_counter()
        epoch = trainer.current_epoch + 1
        due = epoch == self.epochs or (self.every > 0 and epoch % self.every == 0)
        splits = self.measure(pl_module) if due else {}
        waited = self._waited(epoch, splits)
        groups = {g["name"]: g["lr"] for g in trainer.optimizers[0].param_groups}
        entry: dict[str, Any] = {
            "epoch": epoch,
            "lr": groups["network"],
            "loss_lr": groups.get("centers"),
            "train_loss": means.get("joint", means["loss"]),
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
        entry |= pl_module.told_of_epoch()
        entry |= {} if self.average is None else {"averaged": self.average.steps}
        entry |= {} if waited is None else {"waited": waited}
        self.entries.append(entry)
        for split, figures in splits.items():
            for name in ("accuracy", "intra_mean", "intra_inter"):
                pl_module.log(f"{split}/{name}", torch.tensor(figures[name]), prog_bar=split == "test")

    def _waited(self, epoch: int, splits: dict[str, dict[str, Any]]) -> int | None:
        """For how many epochs the accuracy on validation images has not risen; None where nobody asks, or knows."""
        if self.patience is None or "validation" not in splits:
            return None
        best = _best_epoch([*self.entries, {"epoch": epoch, **splits}])
        return None if best is None else epoch - best

    def _is_enough(self, epoch: int, waited: int | None) -> bool:
        return self.patience is not None and waited is not None and waited >= self.patience and epoch < self.epochs

    @property
    def stopped(self) -> dict[str, Any] | None:
        """After which epoch the training ended before its time, and why; None where it did not."""
        last = self.entries[-1] if self.entries else None
        if last is None or not self._is_enough(last["epoch"], last.get("waited")):
            return None
        best = last["epoch"] - last["waited"]
        accuracy = self.entries[best - 1]["validation"]["accuracy"]
        why = (
            f"the accuracy on validation images has not risen above the {accuracy:.4f} of epoch {best} for "
            f"{last['waited']} epochs; patience is {self.patience}"
        )
        return {"epoch": last["epoch"], "best_epoch": best, "why": why}

    def best_epoch(self) -> int | None:
        """The first of the epochs with the highest accuracy on validation images; None where there are none."""
        return _best_epoch(self.entries)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"entries": self.entries, "of": self.of}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a checkpoint ended."""
        self.entries = list(state_dict["entries"])


def _best_epoch(entries: list[dict[str, Any]]) -> int | None:
    judged = [entry for entry in entries if entry.get("validation") is not None]
    return None if not judged else int(max(judged, key=lambda entry: entry["validation"]["accuracy"])["epoch"])
