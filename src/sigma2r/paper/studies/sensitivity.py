"""What the settings that the paper calls arbitrary do: n, Z, eps, the loss's rate, the batch, growth held at 0."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sigma2r.paper.settings import setting
from sigma2r.studies.run import Run
from sigma2r.studies.study import Done, Part, Scale, Study

EPOCHS = {"desk": 5, "paper": 300}
_OPTIONS: dict[str, tuple[Any, ...]] = {
    "neighbors": (3, 15),
    "ceiling": (10.0, 100.0),
    "eps": (1e-6, 1.0),
    "fixed_growth": (0.0,),
}
_FIELDS: dict[str, tuple[Any, ...]] = {"loss_lr": (0.01, 0.5), "batch_size": (128, 512)}
_TITLES = {
    "neighbors": "Neighbours n",
    "ceiling": "Ceiling Z",
    "eps": "Least slope",
    "fixed_growth": "Growth held at 0",
    "loss_lr": "Learning rate of centers and growth",
    "batch_size": "Batch size",
}


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """A part for each setting: the paper's value and one on either side."""
    its = setting("fashion-mnist", scale)
    base = replace(its.base, loss="sigma2r@0.01", lr=0.001, epochs=EPOCHS[scale], measure_every=0)
    for key, values in _OPTIONS.items():
        yield _part(key, base, [replace(base, loss_options={key: value}) for value in values], its.seeds)
    for key, values in _FIELDS.items():
        yield _part(key, base, [replace(base, **{key: value}) for value in values], its.seeds)


def _part(key: str, base: Run, changed: list[Run], seeds: range) -> Part:
    return Part(
        name=key.replace("_", "-"),
        title=_TITLES[key],
        text="sigma2R at 0.01 with the paper's settings (n = 7, Z = 40, rate 0.1, batches of 256), and with one of "
        "them changed.",
        runs=tuple(replace(run, init_seed=seed) for run in (base, *changed) for seed in seeds),
    )


STUDY = Study(
    name="sensitivity",
    title="Sensitivity of sigma2R",
    source="Section 5.2: n = 7 and Z = 40 are chosen arbitrarily",
    parts=parts,
    settings={
        "desk": "LeNet on FashionMNIST, 5 epochs, 10 seeds, learning rate 0.001.",
        "paper": "LeNet on FashionMNIST, 300 epochs, 10 runs, learning rate 0.001.",
    },
)
