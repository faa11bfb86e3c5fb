"""A whole study against the sum of its bare training loops, and against itself with more runs at a time."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.bare import bare_loop
from benchmarks.timing import Ratio, Work, compare
from sigma2r.paper.settings import setting
from sigma2r.studies.comparison import comparison
from sigma2r.studies.launch import LocalLauncher
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study
from sigma2r.studies.where import Where

LOSSES = ("cross-entropy", "sigma2r@0.01")


def runs(epochs: int, seeds: int, threads: int = 1) -> tuple[Run, ...]:
    """LeNet on FashionMNIST as at the scale of a desk, measured as often: every five epochs."""
    base = replace(setting("fashion-mnist", "desk").base, epochs=epochs, measure_every=5, threads=threads)
    return tuple(comparison(base, LOSSES, seeds))


def study(runs: tuple[Run, ...], jobs: int) -> Work:
    """Train them in a new folder: data, measures, checkpoints, records and all."""
    part = Part(name="all", title="", text="", runs=runs)
    whole = Study(name="timed", title="", source="", parts=lambda *_: iter([part]), settings={"desk": ""})

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            where = Where(device="cpu", progress=False)
            reproduce(whole, "desk", Path(folder), where=where, launcher=LocalLauncher(jobs), say=lambda _: None)

    return work


def run() -> Iterator[Ratio]:
    """Each by turns, after one short warm-up."""
    study(runs(1, 1), 1)(), sum(map(bare_loop, runs(1, 1)))
    few = runs(5, 1)
    yield compare(
        f"study of {len(few)} LeNet runs on FashionMNIST, 5 epochs, 1 thread",
        ("sigma2r reproduce", study(few, 1)),
        ("bare loops, one after another", lambda: sum(map(bare_loop, few))),
        target=1.2,
        n=3,
        warm_up=0,
    )
    many = runs(4, 2)
    yield compare(
        f"study of {len(many)} LeNet runs on FashionMNIST, 4 epochs, two cores",
        ("--jobs 2", study(many, 2)),
        ("--jobs 1", study(many, 1)),
        target=1.0,
        n=3,
        warm_up=0,
    )
    yield compare(
        f"study of {len(many)} LeNet runs on FashionMNIST, 4 epochs, two cores",
        ("--jobs 2", study(many, 2)),
        ("--jobs 1, each run on two threads", study(runs(4, 2, threads=2), 1)),
        target=1.0,
        n=3,
        warm_up=0,
    )
