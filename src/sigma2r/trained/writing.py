"""Which file is written how, told by its ending; whole or not at all."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from sigma2r._extras import or_which_extra
from sigma2r._files import write_whole
from sigma2r._places import is_file
from sigma2r.studies.apart import refuse_within_data, refuse_within_folders
from sigma2r.trained.embeddings import PARQUET, write_npz, write_parquet
from sigma2r.trained.predictions import Predictions
from sigma2r.trained.rows import write_csv
from sigma2r.trained.sources import Source
from sigma2r.trained.trained import Trained

Writer = Callable[[IO[bytes], Iterable[Predictions], Trained, Source], None]
EMBEDDINGS: dict[str, Writer] = {".npz": write_npz, ".parquet": write_parquet}
PREDICTIONS: dict[str, Writer] = {".csv": write_csv}


def writer_for(who: str, out: Path, writers: dict[str, Writer]) -> Writer:
    """What writes a file of that ending.

    Raises:
        ValueError: If nothing does.
        ImportError: In one sentence, if a library for it is missing.
    """
    ending = out.suffix.lower()
    if ending not in writers:
        raise ValueError(f"{who}: --out must end in {' or '.join(writers)}; got {out.name!r}.")
    if ending == ".parquet":
        with or_which_extra(PARQUET):
            import pyarrow  # noqa: F401 - told before anything is computed
    return writers[ending]


def refuse_out(out: Path, trained: Trained, source: Source, data_dir: Path | None) -> None:
    """Refuse a file that would lie among images, in the place of one, or of something that is no file.

    Args:
        out: Where a file will be written.
        trained: Of the run whose images are kept apart.
        source: Whose images are, too.
        data_dir: Where data sets lie.

    Raises:
        ValueError: In one sentence.
    """
    is_file(out)
    refuse_within_data([trained.record.run], data_dir, [out.parent])
    refuse_within_folders(source.title, source.listed, [out.parent], flag="--out")


def write(out: Path, writer: Writer, parts: Iterable[Predictions], trained: Trained, source: Source) -> None:
    """Write a file whole or not at all; an older one is there until then.

    Raises:
        OSError: If the folder cannot be written to.
    """
    write_whole(out, lambda file: writer(file, parts, trained, source))
