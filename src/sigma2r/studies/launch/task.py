"""A run to be trained somewhere, and what is heard of it."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import chdir, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sigma2r._resolve import looking_beside
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.train import left_of_diverged, train
from sigma2r.studies.where import Where
from sigma2r.training import TrainingDivergedError


@dataclass(frozen=True)
class Task:
    """A run, its folder, and where it happens; relative paths of all three are those of ``started_in``.

    Code of one's own that the run names is looked for ``beside`` the file of its study before all else.
    """

    run: Run
    folder: Path
    where: Where
    started_in: Path = field(default_factory=Path.cwd)
    beside: Path | None = None


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
    there = chdir(task.started_in) if task.started_in.is_dir() else nullcontext()  # a cluster begins somewhere else
    with there, looking_beside(task.beside):
        try:
            return train(task.run, task.folder, task.where)
        except TrainingDivergedError as error:
            return left_of_diverged(task.run, task.folder, task.where, error, time.perf_counter() - started)


def limit_threads(count: int) -> None:
    """Let libraries that are loaded from now on use so many threads."""
    os.environ["OMP_NUM_THREADS"] = str(count)
