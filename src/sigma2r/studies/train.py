"""Train one run in a folder and leave its record there: ``train(run, out) -> Record``."""

import datetime
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import torch
from filelock import FileLock, Timeout

from sigma2r.studies.fit import fit
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
from sigma2r.studies.where import Where, device_name, find_device
from sigma2r.training import Files

RUN_FILE = "run.json"
CHECKPOINTS = "checkpoints"
LOGS = "logs"
LOCK = ".lock"


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
        record = _finished(run, out)
        if record is not None:
            return record
        _claim(run, out)
        files = Files(out / CHECKPOINTS / "last.ckpt", out / CHECKPOINTS / "best.ckpt", out / LOGS)
        _set_aside_if_damaged(files.last)
        record = fit(run, where, files).record
        record.write(out / RECORD_FILE)
        return record


def left_of_diverged(run: Run, out: Path, where: Where, error: Exception, seconds: float) -> Record:
    """Leave a record that says where a run broke, so that it is not trained again."""
    device = find_device(where.device)
    record = Record(
        run=run,
        class_names=(),
        counts={},
        history=(),
        final={},
        plane=None,
        versions=versions(),
        device={"type": device.type, "name": device_name(device), "threads": run.threads},
        seconds=plain({"total": seconds}),
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        diverged=str(error),
    )
    record.write(out / RECORD_FILE)
    return record


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


def _finished(run: Run, out: Path) -> Record | None:
    """The record that is there already."""
    if not (out / RECORD_FILE).exists():
        return None
    try:
        record = Record.read(out / RECORD_FILE)
    except DamagedFileError as error:
        aside = set_aside(out / RECORD_FILE)
        warnings.warn(f"{error} Set aside as {aside.name}; the run goes on from its checkpoint.", stacklevel=3)
        return None
    _refuse_other(out, record.run, run)
    return record


def _claim(run: Run, out: Path) -> None:
    """Leave the description in a folder that is new or this run's."""
    if (out / RUN_FILE).exists():
        _refuse_other(out, Run.from_dict(read_json(out / RUN_FILE)), run)
    elif any(path.name != LOCK for path in out.iterdir()):
        raise ValueError(
            f"train: the run's folder must be new or hold the same run; {out} holds other files. Choose another --out."
        )
    write_json(out / RUN_FILE, run.as_dict())


def _refuse_other(out: Path, there: Run, wanted: Run) -> None:
    if there.run_id == wanted.run_id:
        return
    mine, theirs = wanted.as_dict(), there.as_dict()
    differing = ", ".join(f"{k} {theirs[k]!r} (wanted {v!r})" for k, v in mine.items() if theirs[k] != v)
    raise ValueError(
        f"train: the folder {out} holds another run, which is never overwritten: {differing}. Choose another --out."
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
