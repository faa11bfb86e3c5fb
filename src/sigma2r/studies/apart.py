"""Results lie apart from images: a folder whose listing makes a data set never holds what is written."""

import os
from collections.abc import Iterable
from pathlib import Path

from sigma2r.data.layout import listed_folders
from sigma2r.data.names import shown
from sigma2r.data.registry import listed_folder
from sigma2r.data.tree import identity
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
        listed = set() if root is None else listed_folders(root)
        for folder, holding in around.items():
            if not listed.isdisjoint(holding):
                raise ValueError(
                    f"{shown(dataset)}: results must lie apart from the images; {shown(folder)} lies in a folder that "
                    f"is listed for them. Choose another {flag}."
                )


def _holding(folder: Path) -> set[tuple[int, int]]:
    """The folder and all that hold it, where the file system knows them already; links and ``..`` are followed."""
    whole = Path(os.path.realpath(folder))  # unlike resolve() it stands a link to itself
    return {identity(str(path)) for path in (whole, *whole.parents) if path.is_dir()}
