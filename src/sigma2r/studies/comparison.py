"""The same training with several losses and several seeds: as runs, and as a study made on the fly."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from sigma2r.studies.losses import ON_LOGITS, has_classes, is_known
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study


def comparison(base: Run, losses: Iterable[str], seeds: int, layers: Sequence[str] = ()) -> Iterator[Run]:
    """A run for each loss and each of ``seeds`` first weights; the order of the data stays the same.

    A loss that is named twice, however it is spelled, is trained once.

    Args:
        base: What all runs share. Its options are those of the loss that it names; others keep their defaults.
        losses: As a user spells them.
        seeds: First weights 0, 1, ...
        layers: Layers for those of the losses that may stand at layers.

    Raises:
        ValueError: If a loss is unknown, ``seeds`` is below 1, or no loss takes the options or layers.
    """
    losses = list(losses)
    if seeds < 1:
        raise ValueError(f"compare: seeds must be at least 1; got {seeds}.")
    names = [replace(base, loss=loss, loss_options={}, layers=()).loss for loss in losses]
    if base.loss_options and base.loss not in names:
        raise ValueError(
            f"compare: loss_options are those of {base.loss}, which is not among the losses. Spell those of another in "
            f"brackets: {losses[0]}[OPTION=VALUE]."
        )
    at_layers = [name for name in names if name not in ON_LOGITS and not (is_known(name) and has_classes(name))]
    if layers and not at_layers:
        raise ValueError("compare: layers are for losses that learn nothing for a class; there is none among them.")
    seen = set()
    for (loss, name), seed in product(zip(losses, names, strict=True), range(seeds)):
        options = dict(base.loss_options) if name == base.loss else {}
        own = tuple(layers) if name in at_layers else ()
        run = replace(base, loss=loss, loss_options=options, layers=own or base.layers, init_seed=seed)
        if run.run_id not in seen:
            seen.add(run.run_id)
            yield run


def comparison_study(base: Run, losses: Iterable[str], seeds: int, layers: Sequence[str] = ()) -> Study:
    """The runs of :func:`comparison` as a study of one part."""
    runs = tuple(comparison(base, losses, seeds, layers))
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


_LONGEST = 160  # letters of a loss within a file name, of the 255 that file systems take


def run_folder(out: Path, run: Run) -> Path:
    """The folder of a run within a comparison: readable, and its own."""
    return out / f"{file_name(run.loss_name)}-seed{run.init_seed}-{run.run_id[:8]}"


def file_name(name: str) -> str:
    """A name as part of a file name, without what would name a folder."""
    return re.sub(r"[/\\:\s]+", "-", name).lstrip(".-")[:_LONGEST]
