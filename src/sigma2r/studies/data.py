"""Which data a run saw: told in its description and record, and looked at again before either is used."""

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sigma2r._absent import AbsentError
from sigma2r._csv import csv_line
from sigma2r._places import is_file
from sigma2r._resolve import source_of
from sigma2r.data.fingerprint import fingerprint
from sigma2r.data.splits import Split, load_splits
from sigma2r.models.weights import sha256_of
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where

DATA_FIELDS = (
    "dataset", "image_size", "resize", "gray", "pixel_range", "missing_classes", "test_fraction", "test_seed",
)  # fmt: skip
"""Fields of a run that decide which images it is given."""

Seen = Mapping[str, Mapping[str, Any]]
"""For ``train``, ``test`` and, if images of their own are for it, ``validation``: the fingerprint, and how many images
and classes there are; of test images that were set aside also how they were chosen."""


def describe_data(splits: Mapping[str, Split]) -> dict[str, dict[str, Any]]:
    """What the images of a run are: another meaning gives another fingerprint."""
    return {
        name: {
            "fingerprint": fingerprint(split.data),
            "images": len(split.data),
            "classes": len(split.data.class_names),
            **({} if split.chosen is None else {"chosen": asdict(split.chosen)}),
        }
        for name, split in splits.items()
        if name != "validation" or split.data is not splits["train"].data  # it may be a share of the training images
    }


def listing_of_chosen(splits: Mapping[str, Split], beside: Path) -> str | None:
    """A csv file of the training and test images, where test images were set aside; None where there were some.

    Args:
        splits: Of a run.
        beside: The folder of the file: paths are told from there, or whole if the images are named by a whole path.
    """
    if splits["test"].chosen is None:
        return None
    lines = [csv_line(("path", "label", "split"))]
    for name in ("train", "test"):
        data = splits[name].data
        for path, label in zip(data.paths, data.labels.tolist(), strict=True):
            where = path if path.is_absolute() else os.path.relpath(path, beside)
            lines.append(csv_line((str(where), data.class_names[label], name)))
    return "".join(lines)


def describe_code(run: Run) -> dict[str, str]:
    """What the code of one's own is that a run uses, by its path; nothing for a run of names alone."""
    return {path: source_of(path) for path in run.own_code.values()}


def say_if_other_code(run: Run, before: Mapping[str, str] | None) -> None:
    """One sentence if code of one's own has changed: the record and the checkpoints are of what it was."""
    changed = [path for path in run.own_code.values() if not _is_as_it_was(path, before or {})]
    if changed:
        warnings.warn(
            f"train: the code of {', '.join(changed)} has changed since {run.loss_name}, seed {run.init_seed}, was "
            "trained with it, and what was trained stays. Choose another --out to train with the code as it is.",
            stacklevel=2,
        )


def _is_as_it_was(path: str, before: Mapping[str, str]) -> bool:
    try:
        return path not in before or source_of(path) == before[path]
    except AbsentError:  # code that is gone has not changed; who needs it says so
        return True


def load(run: Run, where: Where) -> dict[str, Split]:
    """The splits of a run.

    Raises:
        ValueError: If the data cannot be used.
    """
    return load_splits(
        **{name: getattr(run, name) for name in DATA_FIELDS},
        data_dir=where.data_dir,
        download=where.download,
        validation_fraction=run.validation_fraction,
        images_per_class=run.images_per_class,
        seed=run.data_seed,
    )


def refuse_other_data(run: Run, before: Seen | None, now: Seen, *, goes_on: bool = False) -> None:
    """Refuse data that are not those that a run saw before; of a run that tells none, any will do.

    Args:
        run: The run.
        before: What it saw; None if that is not told.
        now: What is there; empty if it cannot be looked at.
        goes_on: Whether the run is not finished, so that images for validation that are new would become part of it.

    Raises:
        ValueError: Naming the first split that differs.
    """
    if before is None or not now:
        return
    for split in others_now(before, now, {**before, **(now if goes_on else {})}):
        raise ValueError(
            f"train: a run goes on with the data that it began with, and its record is of these; the {split} "
            f"images of {run.dataset} are others now ({_told(now.get(split))}; then {_told(before.get(split))}). "
            "Choose another --out to train on the data as they are."
        )


def others_now(before: Seen, now: Seen, splits: Iterable[str]) -> list[str]:
    """Which of these splits have other images now than before; one that is told on one side alone has, too."""
    return [
        split for split in splits if before.get(split, {}).get("fingerprint") != now.get(split, {}).get("fingerprint")
    ]


def refuse_other_weights(run: Run, before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> None:
    """Refuse weights to start from that are not those that a run started from before.

    Raises:
        ValueError: If they differ.
    """
    for key in ("sha256", "fingerprint"):
        then, there = ((told or {}).get(key) for told in (before, now))
        if then is not None and there is not None and then != there:
            raise ValueError(
                f"train: a run goes on with the weights that it started from, and its record is of these; "
                f"{run.weights or run.model} holds others now ({key} {there}; then {then}). Choose another --out to "
                "train from the weights as they are."
            )


def _told(seen: Mapping[str, Any] | None) -> str:
    if seen is None:
        return "none"
    return f"{seen.get('images')} images, {seen.get('classes')} classes, fingerprint {seen.get('fingerprint')}"


def refuse_records_of_other_data(records: Iterable[Record], where: Where) -> None:
    """Look at the data of finished runs, once for each data set; data that are gone are told.

    Raises:
        ValueError: If a record is of other data than are there now, which may be such as cannot be used.
    """
    now: dict[tuple[Any, ...], Seen | None] = {}
    for record in records:
        say_if_other_code(record.run, record.code)
        refuse_other_weights(record.run, record.started_from, _weights_now(record.run))
        if record.data is None:
            continue  # from before records told
        key = tuple(getattr(record.run, name) for name in DATA_FIELDS)
        if key not in now:
            now[key] = _looked_at(record.run, where)
        refuse_other_data(record.run, record.data, now[key] or {})


def _weights_now(run: Run) -> dict[str, str] | None:
    """The file of weights as it is; nothing if it has gone, for a trained model needs it no more."""
    path = None if run.weights is None else Path(run.weights).expanduser()
    return {"sha256": sha256_of(path)} if path is not None and is_file(path) else None


def _looked_at(run: Run, where: Where) -> Seen | None:
    try:
        whole = {name: getattr(run, name) for name in DATA_FIELDS}
        return describe_data(load_splits(**whole, data_dir=where.data_dir, download=where.download))
    except AbsentError as error:
        warnings.warn(
            f"train: the data of {run.dataset} cannot be looked at, so its record may be of other data: {error}",
            stacklevel=2,
        )
        return None
    except (ValueError, OSError) as error:  # they could be used when the record was made
        raise ValueError(
            f"train: a record is of the data that it was made with; those of {run.dataset} are others now, which "
            f"cannot be used: {str(error).rstrip('.')}. Choose another --out to train on data that can."
        ) from error
