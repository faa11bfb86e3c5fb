"""Records made by hand, so that every number of a report can be told in advance."""

import dataclasses

import pytest

from sigma2r.studies.record import Record
from sigma2r.studies.run import Run

CLASSES = ("red", "green", "blue")


def make_record(loss: str, seed: int = 0, *, names=CLASSES, accuracy=0.9, scale=1.0, single=False, **run) -> Record:
    """Two epochs; spreads scale * (1, 2, 3), or None for the last class if it is a single."""
    intra = [scale * (k + 1) for k in range(len(names))]
    if single:
        intra[-1] = None
    known = [value for value in intra if value is not None]
    mean = sum(known) / len(known)

    def figures(share):
        return {"accuracy": share, "intra": intra, "intra_mean": mean, "inter": 10.0, "intra_inter": mean / 10,
                "tail_99": mean / 5, "tail_max": mean / 2}  # fmt: skip

    chosen = Run(loss=loss, init_seed=seed, **{"feature_dim": 2, "epochs": 2, **run})
    history = [
        {"epoch": e, "lr": 1e-3, "loss_lr": 0.1, "train_loss": 1.0 / e, "cross_entropy": 1.0 / e, "auxiliary": 0.0,
         "train": figures(accuracy + 0.01), "test": figures(accuracy), "train_s": 1.0, "measure_s": 0.1}
        for e in (1, 2)
    ]  # fmt: skip
    if chosen.loss == "sigma2r":
        for entry in history:
            entry["growth"] = [-float(entry["epoch"] + k) for k in range(len(names))]
            entry["growth_rate"] = [10.0 / (entry["epoch"] + k) for k in range(len(names))]
    plane = None
    if chosen.feature_dim == 2:
        points = [[scale * k + 0.1 * i, scale * k * k] for k in range(len(names)) for i in range(4)]
        middles = [[scale * k + 0.15, scale * k * k] for k in range(len(names))]
        plane = {"features": points, "labels": [k for k in range(len(names)) for _ in range(4)],
                 "centers": middles if chosen.loss != "cross-entropy" else None, "means": middles}  # fmt: skip
    return Record(
        run=chosen,
        class_names=tuple(names),
        counts={"train": 9000, "test": 1500, "parameters": 1},
        history=tuple(history),
        final={"train": figures(accuracy + 0.01), "test": figures(accuracy)},
        plane=plane,
        versions={"python": "3.11.0", "sigma2r": "0.1.0", "torch": "2.14.0"},
        device={"type": "cpu", "name": "a processor", "threads": 1},
        seconds={"total": 12.0, "train": 10.0, "measure": 2.0},
        finished="2026-01-01T00:00:00+00:00",
    )


def for_run(made: Record, run: Run, validation: dict | None = None) -> Record:
    """A record made by hand as that of a run: with the epochs, the splits and the images that its description has."""
    others = {"validation": validation or made.final["test"]} if run.validation_fraction > 0 else {}
    final = {**made.final, **others}
    due = {epoch for epoch in range(1, run.epochs) if run.measure_every and epoch % run.measure_every == 0}
    history = [
        {**made.history[min(epoch, len(made.history)) - 1], **(final if epoch in due else dict.fromkeys(final)),
         "epoch": epoch}
        for epoch in range(1, run.epochs + 1)
    ]  # fmt: skip
    history[-1] |= final
    return dataclasses.replace(
        made,
        run=run,
        final=final,
        history=tuple(history),
        counts={**made.counts, **dict.fromkeys(others, 1000)},
        plane=made.plane if run.feature_dim == 2 else None,
        device={**made.device, "threads": run.threads},
    )


@pytest.fixture
def records() -> list[Record]:
    return [
        make_record("cross-entropy", accuracy=0.95, scale=50.0),
        *(make_record("center@0.4", seed, accuracy=0.90 + 0.01 * seed, scale=1.0 + seed) for seed in range(3)),
        make_record("sigma2r@0.01", accuracy=0.92, scale=0.5),
    ]
