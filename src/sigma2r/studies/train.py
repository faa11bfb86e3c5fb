"""Train one run and leave its record: ``train(run, where) -> Record``."""

import datetime
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytorch_lightning as pl
import torch
from filelock import FileLock, Timeout
from pytorch_lightning.callbacks import ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from sigma2r.data import FOLDER, FolderImages, ImageData, load_images
from sigma2r.data.loaders import EpochRows, at_most, in_order, make_batches, seats, split_off
from sigma2r.data.preprocess import Preprocess
from sigma2r.losses import JointLoss, WarmUp
from sigma2r.losses._module import ClassLoss
from sigma2r.losses.registry import build_loss
from sigma2r.losses.yardsticks import LABEL_SMOOTHING
from sigma2r.models import build_model
from sigma2r.samplers import BalancedBatchSampler
from sigma2r.studies.record import (
    RECORD_FILE,
    DamagedFileError,
    Record,
    plain,
    read_json,
    set_aside,
    versions,
    write_json,
)
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where, device_name, find_device, using_threads
from sigma2r.training.callbacks import BestCheckpoint, History
from sigma2r.training.diagnosis import Diagnose
from sigma2r.training.measure import SplitMeasures, features_and_logits, measure
from sigma2r.training.modes import evaluating
from sigma2r.training.module import CompactClassifier

RUN_FILE = "run.json"
CHECKPOINTS = "checkpoints"
LOCK = ".lock"
_MEASURE_BATCH = 500
_PLANE_POINTS = 300  # a class


def train(run: Run, out: Path, where: Where | None = None) -> Record:
    """Train ``run`` in the folder ``out`` and return its record; a finished run is read, not trained again.

    The folder holds ``run.json`` (the description), ``checkpoints/`` (last, and best if there is a validation
    split), ``logs/`` (CSV and TensorBoard) and, at the end, ``record.json``. An unfinished run goes on after its
    last finished epoch.

    Raises:
        ValueError: If ``out`` belongs to another run, or the data cannot be used.
        TrainingDivergedError: If features stop being finite; the last good checkpoint is kept.
        OSError: If the folder cannot be written to.
    """
    with _alone(out):
        return _train(run, out, where or Where())


def _train(run: Run, out: Path, where: Where) -> Record:
    if (out / RECORD_FILE).exists():
        try:
            record = Record.read(out / RECORD_FILE)
        except DamagedFileError as error:
            aside = set_aside(out / RECORD_FILE)
            warnings.warn(f"{error} Set aside as {aside.name}; the run goes on from its checkpoint.", stacklevel=3)
        else:
            _refuse_other(out, record.run, run)
            return record
    if (out / RUN_FILE).exists():
        _refuse_other(out, Run.from_dict(read_json(out / RUN_FILE)), run)
    elif any(path.name != LOCK for path in out.iterdir()):
        raise ValueError(
            f"train: the run's folder must be new or hold the same run; {out} holds other files. Choose another --out."
        )
    write_json(out / RUN_FILE, run.as_dict())
    with using_threads(run.threads):
        return _Training(run, out, where).run_to_end()


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder; a process that dies lets go of it."""
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"train: a run's folder must be free; another process is training in {out}. Wait for it, or choose "
            "another --out."
        ) from None
    try:
        yield
    finally:
        lock.release()


class _Training:
    """The parts of one run, put together in order."""

    def __init__(self, run: Run, out: Path, where: Where) -> None:
        self.started = time.perf_counter()
        self.run, self.out, self.where = run, out, where
        self.device = find_device(where.device)
        self.data = {split: _images(run, split, where) for split in ("train", "test")}
        training = self.data["train"]
        self.num_classes = len(training.class_names)
        indices, aside = split_off(training.labels, run.validation_fraction, run.data_seed)
        self.indices = {"train": indices, "test": torch.arange(len(self.data["test"]))}
        if run.validation_fraction > 0:
            if not len(aside):
                raise ValueError(
                    f"train: validation_fraction {run.validation_fraction:g} sets no image aside: no class has enough."
                )
            self.data["validation"], self.indices["validation"] = training, aside
        if run.images_per_class is not None:
            indices = at_most(training.labels, indices, run.images_per_class, run.data_seed)
            self.indices["train"] = indices
        self.sampler = BalancedBatchSampler(training.labels[indices], run.batch_size, seed=run.data_seed)
        self.module = self._build_module()

    def _build_module(self) -> CompactClassifier:
        run, training = self.run, self.data["train"]
        channels, height, _ = training.image_shape
        preprocess = Preprocess.fitted_to(training, self.indices["train"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.init_seed)
            model = build_model(
                run.model,
                in_channels=channels,
                image_size=height,
                num_classes=self.num_classes,
                feature_dim=run.feature_dim,
            )
            options = self._loss_options()
            built = [build_loss(run.loss, self.num_classes, model.feature_dim, options) for _ in run.layers or "1"]
        auxiliaries = [loss for loss in built if loss is not None]
        weight = WarmUp(run.loss_weight, run.warmup_epochs)
        criterion = JointLoss(auxiliaries, [weight] * len(auxiliaries)) if auxiliaries else None
        assert run.augmentation is not None
        model = model.to(memory_format=torch.channels_last)  # convolutions and pooling on the CPU are faster so
        return CompactClassifier(
            model,
            criterion,
            preprocess,
            augmentation=run.augmentation,
            data_seed=run.data_seed,
            epochs=run.epochs,
            optimizer=run.optimizer,
            lr=run.lr,
            loss_lr=run.loss_lr,
            weight_decay=run.weight_decay,
            layers=run.layers,
            label_smoothing=run.loss_weight if run.loss == LABEL_SMOOTHING else 0.0,
        )

    def _loss_options(self) -> dict[str, Any]:
        """The run's options; the sampler's largest class count spares the search on a GPU its N x N pairs."""
        options = dict(self.run.loss_options)
        if self.run.loss != "sigma2r":
            return options
        neighbors = options.get("neighbors", 7)
        smallest = self.run.batch_size // min(self.num_classes, self.run.batch_size)
        if smallest < neighbors + 1:
            warnings.warn(
                f"train: batches hold as few as {smallest} samples of a class; the {neighbors} neighbours of sigma2r "
                f"want {neighbors + 1}. All that there are stand in. Batch size {self.num_classes * (neighbors + 1)} "
                "would do.",
                stacklevel=2,
            )
        return {"max_per_class": self.sampler.max_per_class, **options}

    def run_to_end(self) -> Record:
        history = History(self._measure, self.run.measure_every, self.run.epochs)
        checkpoint = self.out / CHECKPOINTS / "last.ckpt"
        _set_aside_if_damaged(checkpoint)
        with _quiet_lightning():
            trainer = self._trainer(history)
            self.module.to(self.device)
            if self.run.center_init == "class-means" and not checkpoint.exists():
                self._start_at_class_means()
            rows = EpochRows(self.sampler, self.indices["train"])
            batches = make_batches(self.data["train"], rows, len(self.sampler), self.device, self.where.workers)
            source = _EpochSource(self.module, self.sampler, batches)
            trainer.fit(
                self.module,
                datamodule=source,
                ckpt_path=checkpoint if checkpoint.exists() else None,
                weights_only=True,
            )
            self.module.to(self.device)
        if len(history.entries) < self.run.epochs:
            raise KeyboardInterrupt
        record = self._record(history)
        record.write(self.out / RECORD_FILE)
        return record

    def _trainer(self, history: History) -> pl.Trainer:
        folder = self.out / CHECKPOINTS
        attempt = 1 + len(list((self.out / "logs").glob("csv-*")))
        callbacks: list[pl.Callback] = [
            history,
            ModelCheckpoint(
                folder, filename="last", save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True
            ),
        ]
        if "validation" in self.data:
            best = BestCheckpoint(
                history,
                folder,
                filename="best",
                monitor="validation/accuracy",
                mode="max",
                save_top_k=1,
                enable_version_counter=False,
                save_on_train_epoch_end=True,
            )
            callbacks.append(best)
        if self.where.diagnose:
            callbacks.append(Diagnose(self.where.diagnose))
        progress = sys.stdout.isatty() if self.where.progress is None else self.where.progress
        if progress:
            callbacks.append(TQDMProgressBar(refresh_rate=20))
        return pl.Trainer(
            accelerator=self.device.type,
            devices=[self.device.index or 0] if self.device.type == "cuda" else 1,
            precision=self.run.precision,
            max_epochs=self.run.epochs,
            callbacks=callbacks,
            logger=[
                CSVLogger(self.out, name="logs", version=f"csv-{attempt}"),  # it would delete an older one
                TensorBoardLogger(self.out, name="logs", version="tensorboard"),
            ],
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=progress,
            log_every_n_steps=min(50, len(self.sampler)),
            reload_dataloaders_every_n_epochs=1,
        )

    def _batches(self, split: str) -> Any:
        rows = in_order(self.indices[split], _MEASURE_BATCH)
        return make_batches(self.data[split], rows, len(rows), self.device, self.where.workers)

    def _splits(self, module: CompactClassifier, with_tail: bool) -> dict[str, SplitMeasures]:
        precision = module.trainer.precision_plugin.forward_context
        return {
            split: measure(
                module.model,
                module.preprocess,
                self._batches(split),
                self.num_classes,
                self.device,
                precision,
                with_tail,
            )
            for split in self.data
        }

    def _measure(self, module: CompactClassifier, last: bool) -> dict[str, dict[str, Any]]:
        measures = self._splits(module, with_tail=last)
        training_inter = float(measures["train"].statistics.inter_class_distance())
        return {split: measured.figures(training_inter) for split, measured in measures.items()}

    def _start_at_class_means(self) -> None:
        loss = self.module.criterion.auxiliary if self.module.criterion is not None else None
        if not isinstance(loss, ClassLoss):
            return
        with torch.no_grad():
            parts = [
                (self.module.model(self.module.preprocess(images.to(self.device)))[0], labels.to(self.device))
                for images, labels in self._batches("train")
            ]
        loss.init_centers(torch.cat([f for f, _ in parts]), torch.cat([y for _, y in parts]))

    def _plane(self) -> dict[str, Any] | None:
        """Features in two dimensions, to be drawn: up to 300 a class of the training split."""
        if self.module.model.feature_dim != 2:
            return None
        by_class, seat = seats(self.data["train"].labels, self.indices["train"])
        chosen = by_class[seat < _PLANE_POINTS]
        rows = in_order(chosen, _MEASURE_BATCH)
        batches = make_batches(self.data["train"], rows, len(rows), self.device, 0)
        precision = self.module.trainer.precision_plugin.forward_context
        with evaluating(self.module.model):
            features = torch.cat(
                [
                    features_and_logits(self.module.model, self.module.preprocess, images, precision())[0].float().cpu()
                    for images, _ in batches
                ]
            )
        labels = self.data["train"].labels[chosen]
        loss = self.module.criterion.auxiliary if self.module.criterion is not None else None
        centers = getattr(loss, "centers", None)
        means = torch.stack([features[labels == k].mean(0) for k in range(self.num_classes)])
        return {
            "features": features.tolist(),
            "labels": labels.tolist(),
            "centers": None if centers is None else centers.detach().float().cpu().tolist(),
            "means": means.tolist(),
        }

    def _record(self, history: History) -> Record:
        final = {split: history.entries[-1][split] for split in self.data}
        trained = sum(entry["train_s"] for entry in history.entries)
        measured = sum(entry["measure_s"] for entry in history.entries)
        counts = {split: len(indices) for split, indices in self.indices.items()}
        counts["parameters"] = sum(p.numel() for p in self.module.model.parameters())
        return Record(
            run=self.run,
            class_names=tuple(self.data["train"].class_names),
            counts=counts,
            history=tuple(plain(history.entries)),
            final=plain(final),
            plane=plain(self._plane()),
            versions=versions(),
            device={"type": self.device.type, "name": device_name(self.device), "threads": self.run.threads},
            seconds=plain({"total": time.perf_counter() - self.started, "train": trained, "measure": measured}),
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )


def _set_aside_if_damaged(checkpoint: Path) -> None:
    """Rename a checkpoint that cannot be loaded: the run then starts over, and the file is still there."""
    if not checkpoint.exists():
        return
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, UnpicklingError, KeyError, ValueError) as error:
        aside = set_aside(checkpoint)
        said = str(error).partition("\n")[0]
        warnings.warn(
            f"train: the checkpoint {checkpoint} cannot be loaded ({said}). Set aside as {aside.name}; the run starts "
            "over.",
            stacklevel=2,
        )


def _images(run: Run, split: str, where: Where) -> ImageData | FolderImages:
    load = load_images if run.dataset.startswith(FOLDER) else _images_once  # a folder may change between two runs
    return load(
        run.dataset,
        split,
        data_dir=where.data_dir,
        image_size=run.image_size,
        download=where.download,
        gray=run.gray,
        pixel_range=run.pixel_range,
        missing_classes=run.missing_classes,
    )


_images_once = lru_cache(maxsize=4)(load_images)


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


def _refuse_other(out: Path, there: Run, wanted: Run) -> None:
    if there.run_id == wanted.run_id:
        return
    mine, theirs = wanted.as_dict(), there.as_dict()
    differing = ", ".join(f"{k} {theirs[k]!r} (wanted {v!r})" for k, v in mine.items() if theirs[k] != v)
    raise ValueError(
        f"train: the folder {out} holds another run, which is never overwritten: {differing}. Choose another --out."
    )


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
            # A run that goes on finds its own checkpoints.
            warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")
            yield
    finally:
        logger.setLevel(before)
