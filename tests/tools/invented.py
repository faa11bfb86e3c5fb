"""Invented records of every run that the studies of the paper ask for."""

import dataclasses
import json
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

import pytest

from sigma2r.paper.studies import STUDIES
from sigma2r.report import paired
from sigma2r.studies import run as runs
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.study import Study

CLASSES = tuple(f"class {k}" for k in range(10))
BEST = {"label-smoothing": 9.0, "center": 0.3, "arcface": 0.02}
"""Weights at which trials are best: beyond what may be tried, beyond where a search begins, and within."""


def computed_once(patch: pytest.MonkeyPatch) -> None:
    """Leave out or do but once what takes most of the time of a thousand runs that are made again and again.

    Fields of runs are converted from text alone, for studies give others as they are wanted; the options of a loss are
    checked, a run is described, and the seeds that a difference wants are computed once.
    """
    checked, converted, known = runs.own_options, runs.converted, {}

    def own_options(name, options):
        key = name, repr(options)
        if key not in known:
            known[key] = checked(name, options)
        return dict(known[key])

    def as_it_is(who, key, kind, value, *, from_text=False):
        return converted(who, key, kind, value, from_text=True) if from_text else value

    def as_dict(run):
        if "_told" not in run.__dict__:
            object.__setattr__(run, "_told", dataclasses.asdict(run))
        return dict(run.__dict__["_told"])

    patch.setattr(runs, "converted", as_it_is)
    patch.setattr(runs, "own_options", own_options)
    patch.setattr(Run, "as_dict", as_dict)
    patch.setattr(paired, "seeds_needed", cache(paired.seeds_needed))


def finished_studies(names: Iterable[str] = STUDIES) -> tuple[dict[str, Record], dict[str, Study]]:
    """Records of all runs, and the studies with their parts as these have them."""
    done: dict[str, Record] = {}
    studies = {}
    for name in names:
        study = STUDIES[name]
        while True:
            parts = study.known_parts("desk", done)
            missing = {run.run_id: run for part in parts for run in part.runs if run.run_id not in done}
            if not missing:
                break
            done |= {run_id: record_of(run, run_id) for run_id, run in missing.items()}
        studies[name] = replace(study, parts=lambda scale, done, parts=parts: iter(parts))
    return done, studies


def record_of(run: Run, run_id: str) -> Record:
    """A record with figures that its description alone decides."""
    draw = random.Random(run_id)
    splits = ("train", "validation", "test") if run.validation_fraction else ("train", "test")
    counts = {"train": 54_000, "validation": 6_000, "test": 10_000, "parameters": 1}
    final = {split: figures(run, draw) for split in splits}
    if diverges(run):
        final = {}
    return Record(
        run=run,
        class_names=CLASSES,
        counts={key: value for key, value in counts.items() if key in (*splits, "parameters")},
        history=() if diverges(run) else tuple(history(run, draw, final)),
        final=final,
        plane=None,
        versions={"python": "3.11.0"},
        device={"type": "cpu", "name": "a processor", "threads": 1},
        seconds={"total": round(draw.uniform(40, 90), 4)},
        finished="2026-01-01T00:00:00+00:00",
        diverged="in epoch 2" if diverges(run) else None,
        data={split: {"fingerprint": run.dataset} for split in splits},
    )


def as_in_a_file(record: Record, run_id: str) -> dict:
    """The record as its file holds it."""
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return json.loads(json.dumps({"schema": 1, "run_id": run_id, **values, "run": record.run.as_written()}))


def diverges(run: Run) -> bool:
    """A run of a table, and all trials at the strongest weights of a loss."""
    return (run.lr == 0.4 and run.loss == "sigma2r" and run.init_seed == 7) or (
        run.loss == "arcface" and run.loss_weight > 0.5
    )


def figures(run: Run, draw: random.Random) -> dict:
    """Figures of a split: the compacter the stronger the loss, and most accurate at its best weight."""
    weight = abs(run.loss_weight) or 1e-4
    off = abs(math.log10(weight / BEST.get(run.loss, 0.1 * abs(weight))))
    spread = [round(draw.uniform(0.9, 1.1) * weight**-0.3 * (2 + k % 3), 6) for k in range(10)]
    mean = sum(spread) / 10
    right = round(10_000 * (0.9 - 0.01 * off + draw.gauss(0, 0.002)))
    return {
        "accuracy": right / 10_000,
        "intra": spread,
        "intra_mean": round(mean, 6),
        "inter": 10.0,
        "intra_inter": round(mean / 10 + draw.gauss(0, 0.01), 6),
        "tail_99": round(mean / 5 + draw.gauss(0, 0.02), 6),
        "tail_max": round(mean / 2 + draw.gauss(0, 0.1), 6),
    }


def history(run: Run, draw: random.Random, final: dict) -> Iterator[dict]:
    """What is kept of each epoch: of sigma2R growth, which falls at its own pace, and gates."""
    pace = draw.uniform(0.4, 2.0) * (3 if run.loss_options else 1)
    for epoch in range(1, run.epochs + 1):
        entry = {"epoch": epoch, "train": None, "test": None}
        if run.measure_every and epoch % run.measure_every == 0:
            entry |= {split: {**values, "intra_inter": round(values["intra_inter"] * (2 - epoch / run.epochs), 6)}
                      for split, values in final.items()}  # fmt: skip
        if run.loss == "sigma2r":
            part = (epoch / run.epochs) ** pace
            entry["growth"] = [round(-4 * part + draw.gauss(0, 0.01), 6) for _ in CLASSES]
            entry["gate"] = {"mean": round(draw.uniform(17, 23), 6)}
        yield entry
