"""The training of a model that has been built: epochs, measures after them, checkpoints and logs."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from sigma2r._extras import or_which_extra
from sigma2r.data.loaders import Batches, EpochRows, in_order, make_batches
from sigma2r.data.splits import Split
from sigma2r.samplers import BalancedBatchSampler
from sigma2r.training.averaging import TRAINED, Average
from sigma2r.training.checkpoints import TENSORBOARD, Files, KeepCheckpoints, WholeFiles, check_checkpoint
from sigma2r.training.diagnosis import Diagnose
from sigma2r.training.history import History
from sigma2r.training.lines import Lines
from sigma2r.training.measure import measure_splits
from sigma2r.training.module import CompactClassifier
from sigma2r.training.stops import Stops

_MEASURE_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a model is trained, beside what its module knows.

    Args:
        epochs: How many.
        of: What is trained: a checkpoint of something else is refused.
        precision: Lightning's name of the arithmetic.
        measure_every: Measure every so many epochs; 0: after the last alone.
        accumulate: Batches whose gradients are averaged for one step.
        ema: Decay of the average of the weights over the steps; None: there is none.
        patience: Epochs without a rise of the accuracy on validation images after which training ends; None: never.
        centers_at_means: Start class centers at the means of the training features.
        workers: Processes that decode images which do not fit into memory.
        diagnose: Watch the added loss every so many steps; 0: not.
        progress: Show a progress bar, or a line an epoch where none can be drawn; None: if there is a terminal.
    """

    epochs: int
    of: str = ""
    precision: str = "32-true"
    measure_every: int = 1
    accumulate: int = 1
    ema: float | None = None
    patience: int | None = None
    centers_at_means: bool = False
    workers: int = 0
    diagnose: int = 0
    progress: bool | None = None


def fit(
    module: CompactClassifier,
    splits: Mapping[str, Split],
    sampler: BalancedBatchSampler,
    device: torch.device,
    plan: Plan,
    files: Files | None = None,
) -> History:
    """Train ``module`` on the split ``train``, from the last checkpoint on if there is one.

    Args:
        module: Model, losses, preprocessing and rates; trained in place, and on ``device`` afterwards, with averaged
            weights if there are such.
        splits: ``train`` and others; all are measured.
        sampler: Batches of positions within the split ``train``.
        device: Where.
        plan: For how long, and how.
        files: Where checkpoints and logs are kept; None keeps none.

    Returns:
        The figures of each epoch, as a record's history holds them, and whether it ended before its time.

    Raises:
        UnusableCheckpointError: If the last checkpoint cannot be gone on from; it is left as it is.
        TrainingDivergedError: If features stop being finite.
        KeyboardInterrupt: If the user stops it; SystemExit with 143 if a signal asks the process to end.
        ValueError: If something else lies in the place of a file; nothing is trained then.
        OSError: If files cannot be written.
    """
    if files is not None:
        files.refuse_other_kinds()
    stops = Stops()

    def measure(it: CompactClassifier) -> dict[str, dict[str, Any]]:
        with stops.at_once():
            return measure_splits(it, splits, device, _MEASURE_BATCH, plan.workers)

    average = None if plan.ema is None else Average(plan.ema)
    history = History(measure, plan.measure_every, plan.epochs, plan.of, patience=plan.patience, average=average)
    resumed = files is not None and files.last.exists()
    cuda = [device] if device.type == "cuda" else []
    with _quiet_lightning(), torch.random.fork_rng(devices=cuda):
        trainer = _trainer(stops, history, device, plan, files, len(sampler))
        module.to(device)
        if plan.precision == "64-true":
            module.double()  # Lightning would do so after it has read a checkpoint, and so round what it read
        if files is not None and resumed:
            check_checkpoint(files.last, module, history, () if average is None else (TRAINED,))
        if plan.centers_at_means and not resumed:
            _start_at_class_means(module, splits["train"], device, plan.workers)
        rows = EpochRows(sampler, splits["train"].indices)
        batches = make_batches(splits["train"].data, rows, len(sampler), device, plan.workers)
        with stops.heard():
            trainer.fit(
                module,
                datamodule=_EpochSource(module, sampler, batches),
                ckpt_path=files.last if files is not None and resumed else None,
                weights_only=True,
            )
    module.to(device)
    module.let_go()
    if average is not None:
        average.settle(module)
    assert len(history.entries) == plan.epochs or history.stopped, "a training that is interrupted raises"
    return history


def _trainer(
    stops: Stops, history: History, device: torch.device, plan: Plan, files: Files | None, steps: int
) -> pl.Trainer:
    callbacks: list[pl.Callback] = [stops, *([history.average] if history.average else []), history]
    if files is not None:
        callbacks.append(KeepCheckpoints(files, history))
    if plan.diagnose:
        callbacks.append(Diagnose(plan.diagnose))
    progress = _is_terminal() if plan.progress is None else plan.progress
    bar = progress and _can_draw()
    if progress:
        callbacks.append(TQDMProgressBar(refresh_rate=20) if bar else Lines(history))
    return pl.Trainer(
        accelerator=device.type,
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision=plan.precision,  # type: ignore[arg-type]
        max_epochs=plan.epochs,
        accumulate_grad_batches=plan.accumulate,
        callbacks=callbacks,
        logger=False if files is None else _loggers(files),
        plugins=[WholeFiles()],
        enable_checkpointing=files is not None,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=bar,
        log_every_n_steps=min(50, steps),
        reload_dataloaders_every_n_epochs=1,
    )


def _is_terminal() -> bool:
    """Whether someone looks on; a process without a terminal may have no stream at all."""
    return sys.stdout is not None and sys.stdout.isatty()


def _can_draw() -> bool:
    """Whether a bar would be seen: there is a terminal, and it tells its size, as those of some containers do not."""
    try:
        return sys.stdout is not None and all(os.get_terminal_size(sys.stdout.fileno()))
    except OSError:
        return False


def _loggers(files: Files) -> list[Any]:
    with or_which_extra("a log for TensorBoard"):
        import tensorboard  # noqa: F401 - of which Lightning would say something else
    names = (f"csv-{attempt}" for attempt in count(1 + len(list(files.logs.glob("csv-*")))))
    fresh = next(name for name in names if not os.path.lexists(files.logs / name))  # it would delete an older one
    return [
        CSVLogger(files.logs.parent, name=files.logs.name, version=fresh),
        TensorBoardLogger(files.logs.parent, name=files.logs.name, version=TENSORBOARD),
    ]


def _start_at_class_means(module: CompactClassifier, split: Split, device: torch.device, workers: int) -> None:
    loss = module.criterion.auxiliary if module.criterion is not None else None
    init_centers = getattr(loss, "init_centers", None)
    if init_centers is None:
        return
    rows = in_order(split.indices, _MEASURE_BATCH)
    batches: Batches = make_batches(split.data, rows, len(rows), device, workers)
    with torch.no_grad():
        parts = [
            (module.model(module.preprocess(images.to(device)))[0], labels.to(device)) for images, labels in batches
        ]
    init_centers(torch.cat([f for f, _ in parts]), torch.cat([y for _, y in parts]))


class _EpochSource(pl.LightningDataModule):
    """Hands Lightning the batches of the epoch that it is in, also after a resume."""

    def __init__(self, module: CompactClassifier, sampler: BalancedBatchSampler, batches: Any) -> None:
        super().__init__()
        self.module, self.sampler, self.batches = module, sampler, batches

    def train_dataloader(self) -> Any:
        """Balanced batches of uint8 images."""
        self.sampler.set_epoch(self.module.current_epoch)
        return self.batches

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment and normalise on the device."""
        images, labels = batch
        return self.module.augmented(images), labels


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's greetings and tips off the screen; warnings that concern the user still show."""
    logger = logging.getLogger("pytorch_lightning")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Lightning calls a function of torch that torch is about to rename.
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)")
            yield
    finally:
        logger.setLevel(before)
