"""The same training with several losses and several seeds: as runs, and as a study made on the fly."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study


def comparison(base: Run, losses: Iterable[str], seeds: int) -> Iterator[Run]:
    """A run for each loss and each of ``seeds`` first weights; the order of the data stays the same.

    Raises:
        ValueError: If a loss is unknown, or ``seeds`` is below 1.
    """
    if seeds < 1:
        raise ValueError(f"compare: seeds must be at least 1; got {seeds}.")
    for loss, seed in product(losses, range(seeds)):
        yield replace(base, loss=loss, loss_options=_options_for(base, loss), init_seed=seed)


def comparison_study(base: Run, losses: Iterable[str], seeds: int) -> Study:
    """The runs of :func:`comparison` as a study of one part."""
    runs = tuple(comparison(base, losses, seeds))
    part = Part(name="losses", title="A comparison of losses", text="", runs=runs)
    return Study(
        name="comparison",
        title="A comparison of losses",
        source="the command line",
        parts=lambda scale, done: iter([part]),
        settings={AS_DESCRIBED: "As described."},
        reference="",
    )


AS_DESCRIBED = "as-described"  # the one scale of a comparison


def _options_for(base: Run, loss: str) -> dict[str, object]:
    """Options belong to the one loss that the base names; others keep their defaults."""
    return dict(base.loss_options) if loss.partition("@")[0] == base.loss else {}


_LONGEST = 160  # letters of a loss within a file name, of the 255 that file systems take


def run_folder(out: Path, run: Run) -> Path:
    """The folder of a run within a comparison: readable, and its own."""
    return out / f"{file_name(run.loss_name)}-seed{run.init_seed}-{run.run_id[:8]}"


def file_name(name: str) -> str:
    """A name as part of a file name, without what would name a folder."""
    return re.sub(r"[/\\:\s]+", "-", name)[:_LONGEST]
