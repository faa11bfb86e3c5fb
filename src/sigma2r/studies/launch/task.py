"""A run to be trained somewhere, and what is heard of it."""

import datetime
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sigma2r.studies.record import RECORD_FILE, Record, plain, versions
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where, device_name, find_device
from sigma2r.training.module import TrainingDivergedError


@dataclass(frozen=True)
class Task:
    """A run, its folder, and where it happens."""

    run: Run
    folder: Path
    where: Where


@dataclass(frozen=True)
class Started:
    """A task has begun, perhaps not for the first time."""

    task: Task


@dataclass(frozen=True)
class Finished:
    """A task has left its record."""

    task: Task
    record: Record


class Launcher(Protocol):
    """Trains tasks, each in its folder, and tells of each as it begins and ends."""

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Started | Finished]:
        """Train ``tasks``; the records do not depend on who trains them.

        Raises:
            ValueError, OSError, RuntimeError: What :func:`sigma2r.studies.train.train` raises, of the first task
                that cannot be done; the others are stopped and go on next time.
        """


def do(task: Task) -> Record:
    """Train a task. A run that diverges has a record too, which says so: it would do the same again."""
    started = time.perf_counter()
    try:
        return train(task.run, task.folder, task.where)
    except TrainingDivergedError as error:
        device = find_device(task.where.device)
        record = Record(
            run=task.run,
            class_names=(),
            counts={},
            history=(),
            final={},
            plane=None,
            versions=versions(),
            device={"type": device.type, "name": device_name(device), "threads": task.run.threads},
            seconds=plain({"total": time.perf_counter() - started}),
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            diverged=str(error),
        )
        record.write(task.folder / RECORD_FILE)
        return record


def limit_threads(count: int) -> None:
    """Let libraries that are loaded from now on use so many threads."""
    os.environ["OMP_NUM_THREADS"] = str(count)
