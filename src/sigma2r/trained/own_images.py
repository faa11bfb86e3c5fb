"""The images of the run itself, as its training divided them: as splits, and as sources."""

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


def own_splits(who: str, record: Record, where: Where, *, own_code: bool = False) -> dict[str, Split]:
    """``train``, ``test`` and, if the run had it, ``validation``, as they are divided now.

    Args:
        who: At the head of what is said.
        record: Of the run.
        where: Where the files of its data set lie.
        own_code: Import the data set of one's own that the record names.

    Raises:
        ValueError: In one sentence, if they are nowhere or cannot be used, or are code that may not be imported.
    """
    ask_for_own_code(who, record.run, own_code, "data set")
    return load(record.run, where)


def moved(record: Record, dataset: str | None) -> Record:
    """The record of a run whose data lie elsewhere now; as it is where that is not said."""
    return record if dataset is None else replace(record, run=replace(record.run, dataset=dataset))


def others_than_then(record: Record, splits: Mapping[str, Split]) -> list[str]:
    """Which splits have other images now than the record tells; none, where it is of before records told."""
    before, now = record.data, describe_data(splits)
    return [] if before is None else others_now(before, now, {**before, **now})


def source_of_split(
    split: Split, dataset: str, name: str, listed: set[Identity] | frozenset[Identity] = frozenset()
) -> Source:
    """The images of a split; those that were read from files are named by these.

    Args:
        split: Of a run.
        dataset: Its data set.
        name: Of the split.
        listed: Folders that were listed for images.
    """
    whole = source_of(split.data, dataset, name, listed)
    if split.data.paths:
        whole = replace(whole, names=[str(path) for path in split.data.paths])
    return Chosen.of(whole.title, whole, split.indices.tolist())


def own_images(
    record: Record, data_dir: Path | None, *, download: bool = False, own_code: bool = False
) -> dict[str, Source]:
    """The very images of :func:`own_splits`, for an evaluation.

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
    where = Where(device="cpu", data_dir=data_dir, download=download, progress=False)
    try:
        splits = own_splits("evaluate", record, where, own_code=own_code)
    except AbsentError as error:
        raise AbsentError(f"evaluate: the images of the run must be where they were; {error}") from error
    if others := others_than_then(record, splits):
        warnings.warn(
            f"evaluate: the {' and '.join(others)} images of {visible(run.dataset)} are others now than the run's "
            "record tells; figures are of the images as they are.",
            stacklevel=2,
        )
    root = listed_folder(run.dataset, data_dir)
    listed = set() if root is None else listed_folders(root)
    return {name: source_of_split(split, run.dataset, name, listed) for name, split in splits.items()}
