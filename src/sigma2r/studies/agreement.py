"""What the fields of a record say of one another: a record that contradicts itself is told from one that does not."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sigma2r.studies._laws import BrokenLawError
from sigma2r.studies.figures import splits_of
from sigma2r.studies.run import Run

_ROUNDED = 1e-3  # figures have seven digits, and are means of as many
_PLANE = (2, None)  # a model of one's own may not say of how many dimensions its features are


def check_agreement(run: Run, values: Mapping[str, Any]) -> None:
    """Refuse a record whose fields, each right by itself, contradict one another.

    Args:
        run: The run that the record is of.
        values: Its other content, which obeys :func:`sigma2r.studies.figures.record_law`.

    Raises:
        BrokenLawError: In half a sentence.
    """
    for said in (
        _twice(values["class_names"]),
        *(() if values.get("diverged") is not None else _of_finished(run, values)),
    ):
        if said is not None:
            raise BrokenLawError(said)


def _twice(names: list[str]) -> str | None:
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    return None if twice is None else f"class_names must differ; {twice!r} is there twice"


def _of_finished(run: Run, values: Mapping[str, Any]) -> Iterator[str | None]:
    history, final = values["history"], values["final"]
    splits = splits_of(run, values.get("data"))
    yield _numbering(history)
    yield _stop(run, history, values.get("stopped"))
    yield from (_measured(run, splits, entry, len(history)) for entry in history)
    yield from (_last(split, final, history[-1]) for split in final)
    for index, entry in enumerate(history):
        measured = {split: entry[split] for split in splits if entry.get(split) is not None}
        yield from (_derived(f"history[{index}]", split, measured) for split in measured)
    yield _points(run, values["plane"])
    yield from _images(run, values["counts"], values.get("data"))


def _numbering(history: list[Mapping[str, Any]]) -> str | None:
    epochs = [entry["epoch"] for entry in history]
    odd = next((index for index, epoch in enumerate(epochs) if epoch != index + 1), None)
    return None if odd is None else f"history[{odd}].epoch must be {odd + 1}; got {epochs[odd]}"


def _stop(run: Run, history: list[Mapping[str, Any]], stopped: Mapping[str, Any] | None) -> str | None:
    """A training that ended before its time had waited for as long as its run says, and no epoch before it had."""
    waited = [entry.get("waited", 0) for entry in history]
    patience = run.epochs if run.patience is None else run.patience
    enough = next((index + 1 for index, each in enumerate(waited) if each >= patience), run.epochs)
    if len(history) != min(enough, run.epochs):
        return f"history must end after epoch {enough}, when its run has waited for {patience}; got {len(history)}"
    if stopped is not None and stopped["best_epoch"] != stopped["epoch"] - waited[-1]:
        return f"stopped.best_epoch must be {stopped['epoch'] - waited[-1]}, as its history tells"
    return None


def _measured(run: Run, splits: tuple[str, ...], entry: Mapping[str, Any], last: int) -> str | None:
    """Each split is measured after the epochs that the run says, and after no other."""
    epoch, every = entry["epoch"], run.measure_every
    due = epoch == last or (every > 0 and epoch % every == 0)
    odd = [split for split in splits if (entry.get(split) is not None) != due]
    must = "hold the figures" if due else "be null"
    return f"{odd[0]} of epoch {epoch} must {must}, for its run measures every {every} epochs" if odd else None


def _last(split: str, final: Mapping[str, Any], entry: Mapping[str, Any]) -> str | None:
    return None if final[split] == entry[split] else f"final.{split} must be that of the last epoch in history"


def _derived(place: str, split: str, measured: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The mean of the spreads, and that over the distance between the classes of the training images."""
    figures, distance = measured[split], measured["train"]["inter"]
    spreads = [spread for spread in figures["intra"] if spread is not None]
    mean, ratio = figures["intra_mean"], figures["intra_inter"]
    if mean is not None and not (spreads and _near(mean, math.fsum(spreads) / len(spreads))):
        return f"{place}.{split}.intra_mean must be the mean of its intra; got {mean}"
    if ratio is not None and not (mean is not None and distance and _near(ratio * distance, mean)):
        return f"{place}.{split}.intra_inter must be intra_mean over the inter of train; got {ratio}"
    return None


def _near(value: float, wanted: float) -> bool:
    return math.isclose(value, wanted, rel_tol=_ROUNDED, abs_tol=1e-30)


def _points(run: Run, plane: Mapping[str, Any] | None) -> str | None:
    if plane is None:
        return None
    if run.feature_dim not in _PLANE:
        return f"plane must be null, for its run has {run.feature_dim} features"
    points, labels = len(plane["features"]), len(plane["labels"])
    return None if points == labels else f"plane.labels must be one for each of {points} features; there are {labels}"


def _images(run: Run, counts: Mapping[str, int], data: Mapping[str, Any] | None) -> Iterator[str | None]:
    if data is None:
        return  # from before records told
    used = {name: counts[name] for name in ("train", "test", "validation") if name in data}
    used["train"] += 0 if "validation" in data else counts.get("validation", 0)
    for split, images in used.items():
        there = data[split]["images"]
        fits = images <= there if split == "train" and run.images_per_class is not None else images == there
        yield None if fits else f"data.{split}.images must be the {images} that counts tells; got {there}"
