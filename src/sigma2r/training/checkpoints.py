"""Checkpoints that are whole or not there: the last epoch's, and the best by validation."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from sigma2r.training.history import History


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


class WholeFiles(TorchCheckpointIO):
    """Writes beside the old file, waits for the disk, and renames: a power cut leaves the old or the new."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Raises:
            OSError: If the folder cannot be written to; an older file at ``path`` is then still whole.
        """
        final = Path(path)
        final.parent.mkdir(parents=True, exist_ok=True)
        part = final.with_name(f".{final.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(final)
        finally:
            part.unlink(missing_ok=True)


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
