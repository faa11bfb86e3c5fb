"""Results lie apart from images: a folder whose listing makes a data set never holds what is written."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from sigma2r.data.layout import listed_folders
from sigma2r.data.names import shown
from sigma2r.data.registry import listed_folder
from sigma2r.data.tree import Identity, identity
from sigma2r.studies.run import Run


def refuse_within_data(
    runs: Iterable[Run], data_dir: Path | None, folders: Iterable[Path], *, flag: str = "--out"
) -> None:
    """Refuse to write where a listing would take what is written for images or classes of a run.

    That is within the folder of ``folder:PATH``, or the tree ``cifar10`` or ``cifar100`` in a ``--data_dir``, and
    within any folder that such a listing reads through a link. Data within the folder of the results are no obstacle.

    Args:
        runs: Whose data sets are looked at; each once.
        data_dir: As :class:`~sigma2r.studies.where.Where` holds it.
        folders: Where files will be written; they need not be there.
        flag: What names them on the command line.

    Raises:
        ValueError: Naming the folder.
    """
    around = {folder: _holding(folder) for folder in folders}
    for dataset in dict.fromkeys(run.dataset for run in runs):
        root = listed_folder(dataset, data_dir)
        _refuse(dataset, set() if root is None else listed_folders(root), around, flag)


def refuse_within_folders(source: str, listed: Collection[Identity], folders: Iterable[Path], *, flag: str) -> None:
    """Refuse to write within folders that were listed for their images.

    Args:
        source: What they are listed for, for the error.
        listed: The folders that were read, by what the file system knows them by.
        folders: Where files will be written; they need not be there.
        flag: What names them on the command line.

    Raises:
        ValueError: Naming the folder.
    """
    _refuse(source, set(listed), {folder: _holding(folder) for folder in folders}, flag)


def _refuse(source: str, listed: set[Identity], around: Mapping[Path, set[Identity]], flag: str) -> None:
    for folder, holding in around.items():
        if not listed.isdisjoint(holding):
            raise ValueError(
                f"{shown(source)}: results must lie apart from the images; {shown(folder)} lies in a folder that "
                f"is listed for them. Choose another {flag}."
            )


def _holding(folder: Path) -> set[Identity]:
    """The folder and all that hold it, where the file system knows them already; links and ``..`` are followed."""
    whole = Path(os.path.realpath(folder))  # unlike resolve() it stands a link to itself
    return {identity(str(path)) for path in (whole, *whole.parents) if path.is_dir()}
