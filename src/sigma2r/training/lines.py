"""Progress where no terminal shows a bar: a line for each epoch, on standard error."""

import sys

import pytorch_lightning as pl

from sigma2r.training.history import History


class Lines(pl.Callback):
    """Prints a line after each epoch, at once.

    Args:
        history: Whose newest entry is told; it stands before this one among the callbacks.
    """

    def __init__(self, history: History) -> None:
        self.history = history

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the epoch, its loss, the accuracy on test images if it was measured, and seconds."""
        entry = self.history.entries[-1]
        test = entry["test"]
        accuracy = "" if test is None else f", test accuracy {test['accuracy']:.4f}"
        seconds = entry["train_s"] + entry["measure_s"]
        told = f"epoch {entry['epoch']} of {self.history.epochs}: loss {entry['train_loss']:.4f}{accuracy}"
        print(f"{told}, {seconds:.0f} s", file=sys.stderr, flush=True)
