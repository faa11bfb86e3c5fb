"""Checkpoints that are whole or not there: the last epoch's, and the best by validation."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from sigma2r._checkpoint import UnusableCheckpointError, part_of, read_checkpoint, refuse_other_weights
from sigma2r._files import write_whole
from sigma2r._places import is_file
from sigma2r.training.history import History
from sigma2r.training.module import CompactClassifier

TENSORBOARD = "tensorboard"  # within the folder of the logs


@dataclass(frozen=True)
class Files:
    """What a training writes, and where.

    Args:
        last: The checkpoint of the last epoch that ended; a training that finds it goes on after that epoch.
        best: The checkpoint with the highest accuracy on validation images, if there are any.
        logs: Folder of the logs.
    """

    last: Path
    best: Path
    logs: Path

    def refuse_other_kinds(self) -> None:
        """Refuse what lies in the place of a file or folder that a training reads or writes.

        Raises:
            ValueError: Naming it.
        """
        for path in (self.last, self.best, self.logs / TENSORBOARD / "hparams.yaml"):
            is_file(path)


class WholeFiles(TorchCheckpointIO):
    """Writes beside the old file, waits for the disk, and renames: a power cut leaves the old or the new."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Raises:
            OSError: If the folder cannot be written to; an older file at ``path`` is then still whole.
        """
        write_whole(Path(path), partial(torch.save, checkpoint))


class KeepCheckpoints(Checkpoint):
    """Writes the checkpoints at the end of each epoch, once the history knows its figures.

    The best is written first, and is told by the history that the last one carries: whatever comes between, the two
    agree after the next epoch, wherever the files lie.

    Args:
        files: Where.
        history: Knows the figures of each epoch.
    """

    def __init__(self, files: Files, history: History) -> None:
        self.files = files
        self.history = history

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write them."""
        if self.history.best_epoch() == trainer.current_epoch + 1:
            trainer.save_checkpoint(self.files.best)
        trainer.save_checkpoint(self.files.last)


def check_checkpoint(path: Path, module: CompactClassifier, history: History, beside: Iterable[str] = ()) -> None:
    """Refuse a checkpoint from which this training cannot go on exactly.

    Its bytes must be those that were written (a zip file knows its checksums), and it must hold what this training
    wrote: weights of these shapes, the optimizer of these groups, one entry of history for each epoch.

    Args:
        path: The checkpoint.
        module: What is trained.
        history: Of it.
        beside: Other parts that hold weights of these shapes.

    Raises:
        UnusableCheckpointError: Saying why.
    """
    checkpoint = read_checkpoint(path)
    for part in ("state_dict", *beside):
        refuse_other_weights(part_of(checkpoint, part, dict), module.state_dict())
    entries = part_of(part_of(checkpoint, "callbacks", dict), history.state_key, dict).get("entries")
    told = isinstance(entries, list) and [entry.get("epoch") for entry in entries if isinstance(entry, dict)]
    epochs = checkpoint.get("epoch")
    if told != list(range(1, len(told or ()) + 1)) or epochs != len(told or ()) - 1 or len(told or ()) > history.epochs:
        raise UnusableCheckpointError(f"its history must have an entry for each of its epochs; it ends after {epochs}")
    of = checkpoint["callbacks"][history.state_key].get("of")
    if of != history.of:
        raise UnusableCheckpointError(f"it is of the training {of}, and not of {history.of}")
    try:
        reached = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
    except (KeyError, TypeError):
        reached = None
    if reached != epochs + 1:
        raise UnusableCheckpointError(f"its loop must have ended {epochs + 1} epochs; it has ended {reached}")
    _check_optimizer(part_of(checkpoint, "optimizer_states", list), module)


def _check_optimizer(states: list[Any], module: CompactClassifier) -> None:
    groups = module.configure_optimizers().param_groups
    try:
        (state,) = states
        sizes = [len(group["params"]) for group in state["param_groups"]]
        own = [parameter for group in groups for parameter in group["params"]]
        kept = state["state"].items()
        fits = sizes == [len(group["params"]) for group in groups] and all(
            _alike(values.values(), own[index]) for index, values in kept
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        fits = False
    if not fits:
        raise UnusableCheckpointError("its optimizer holds other groups or shapes")


def _alike(values: Iterable[Any], parameter: Tensor) -> bool:
    """Whether what an optimizer remembers of a parameter has its shape; counts of steps have none."""
    return all(value.shape == parameter.shape for value in values if isinstance(value, Tensor) and value.ndim)
