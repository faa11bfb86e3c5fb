"""The images of the run itself, as its training divided them, as sources."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sigma2r._absent import AbsentError
from sigma2r._text import visible
from sigma2r.data.layout import listed_folders
from sigma2r.data.registry import listed_folder
from sigma2r.data.splits import Split
from sigma2r.data.tree import Identity
from sigma2r.studies.data import describe_data, load, others_now
from sigma2r.studies.record import Record
from sigma2r.studies.where import Where
from sigma2r.trained.data_sets import source_of
from sigma2r.trained.sources import Chosen, Source
from sigma2r.trained.trust import ask_for_own_code


def own_images(
    record: Record, data_dir: Path | None, *, download: bool = False, own_code: bool = False
) -> dict[str, Source]:
    """``train``, ``test`` and, if the run had it, ``validation``: the very images that each of them had.

    Args:
        record: Of the run.
        data_dir: Folder of the data set's files.
        download: Fetch them if they are nowhere.
        own_code: Import the data set of one's own that the record names.

    Raises:
        ValueError: In one sentence, if they are nowhere or cannot be used, or are code that may not be imported.

    Warns:
        UserWarning: If images of a split are others now than the record tells.
    """
    run = record.run
    ask_for_own_code("evaluate", run, own_code, "data set")
    try:
        splits = load(run, Where(device="cpu", data_dir=data_dir, download=download, progress=False))
    except AbsentError as error:
        raise AbsentError(f"evaluate: the images of the run must be where they were; {error}") from error
    _say_if_others(record, splits)
    root = listed_folder(run.dataset, data_dir)
    listed = set() if root is None else listed_folders(root)
    return {name: _source(split, run.dataset, name, listed) for name, split in splits.items()}


def _source(split: Split, dataset: str, name: str, listed: set[Identity]) -> Source:
    """The images of a split; those that were read from files are named by these."""
    whole = source_of(split.data, dataset, name, listed)
    if split.data.paths:
        whole = replace(whole, names=[str(path) for path in split.data.paths])
    return Chosen.of(whole.title, whole, split.indices.tolist())


def _say_if_others(record: Record, splits: Mapping[str, Split]) -> None:
    now, before = describe_data(splits), record.data or {}
    others = others_now(before, now, [name for name in before if name in now])
    if others:
        warnings.warn(
            f"evaluate: the {' and '.join(others)} images of {visible(record.run.dataset)} are others now than the "
            "run's record tells; figures are of the images as they are.",
            stacklevel=3,
        )
