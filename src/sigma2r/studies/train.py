"""Train one run in a folder and leave its record there: ``train(run, out) -> Record``."""

import datetime
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sigma2r._csv import ERRORS
from sigma2r._files import is_part, make_folder, set_aside, write_whole
from sigma2r._places import is_file, is_folder
from sigma2r.data.splits import Split
from sigma2r.studies._laws import BrokenLawError, OrNull, obey
from sigma2r.studies.apart import refuse_within_data
from sigma2r.studies.data import (
    Seen,
    describe_code,
    listing_of_chosen,
    refuse_other_data,
    refuse_other_weights,
    refuse_records_of_other_data,
    say_if_other_code,
)
from sigma2r.studies.figures import code_law, data_law, weights_law
from sigma2r.studies.fit import Beginning, fit
from sigma2r.studies.record import (
    RECORD_FILE,
    DamagedFileError,
    Record,
    describe_device,
    plain,
    read_json,
    versions,
    write_json,
)
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where, find_device
from sigma2r.training import Files, UnusableCheckpointError

RUN_FILE = "run.json"
SPLIT_FILE = "split.csv"
CHECKPOINTS = "checkpoints"
LOGS = "logs"
LOCK = ".lock"
_DATA, _CODE, _WEIGHTS = "data", "code", "started_from"  # beside the fields of the run in its description


def train(run: Run, out: Path, where: Where | None = None) -> Record:
    """Train ``run`` in the folder ``out`` and return its record; a finished run is read, not trained again.

    The folder holds ``run.json`` (the description), ``split.csv`` where test images had to be set aside (all training
    and test images, a data set for ``csv:`` as it is), ``checkpoints/`` (last, and best if there is a validation
    split), ``logs/`` (CSV and TensorBoard) and, at the end, ``record.json``. An unfinished run goes on after its
    last finished epoch; what it cannot go on from is set aside under another name, and told.

    Raises:
        ValueError: If ``out`` belongs to another run or lies among the images, something else lies in the place of one
            of its files, or the data or the device cannot be used; the folder is then as it was.
        TrainingDivergedError: If features stop being finite; the last good checkpoint is kept.
        OSError: If the folder cannot be written to.
    """
    where = where or Where()
    find_device(where.device)  # also where nothing is trained
    refuse_within_data([run], where.data_dir, [out])
    files = Files(out / CHECKPOINTS / "last.ckpt", out / CHECKPOINTS / "best.ckpt", out / LOGS)
    _refuse_foreign(run, out)
    files.refuse_other_kinds()
    with _alone(out):
        _refuse_foreign(run, out)  # it may have changed since
        record = _finished(out)
        if record is not None:
            refuse_records_of_other_data([record], where)
            return record
        _sweep(out)
        record = _fit(run, where, files, partial(_claim, run, out))
        record.write(out / RECORD_FILE)
        return record


def _fit(run: Run, where: Where, files: Files, begin: Beginning) -> Record:
    try:
        return fit(run, where, files, begin).record
    except UnusableCheckpointError as error:
        aside = set_aside(files.last)
        warnings.warn(
            f"train: the checkpoint {files.last} cannot be gone on from: {error}. Set aside as {aside.name}; the run "
            "starts over.",
            stacklevel=3,
        )
        return fit(run, where, files, begin).record


def left_of_diverged(run: Run, out: Path, where: Where, error: Exception, seconds: float) -> Record:
    """Leave a record that says where a run broke, so that it is not trained again."""
    record = Record(
        run=run,
        class_names=(),
        counts={},
        history=(),
        final={},
        plane=None,
        versions=versions(),
        device=describe_device(find_device(where.device), run.threads),
        seconds=plain({"total": seconds}),
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        diverged=str(error),
    )
    record.write(out / RECORD_FILE)
    return record


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder; a process that dies lets go of it.

    A folder that was made for it and holds nothing else goes away again.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    new = not (out / LOCK).exists()
    make_folder(out)
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"train: a run's folder must be free; another process is training in {out}. Wait for it, or choose "
            "another --out."
        ) from None
    try:
        yield
    finally:
        if new and {path.name for path in out.iterdir()} <= {LOCK}:
            (out / LOCK).unlink(missing_ok=True)
        lock.release()
        for folder in made:
            if any(folder.iterdir()):
                break
            folder.rmdir()


def _finished(out: Path) -> Record | None:
    """The record that is there already."""
    if not is_file(out / RECORD_FILE):
        return None
    try:
        return Record.read(out / RECORD_FILE)
    except DamagedFileError as error:
        aside = set_aside(out / RECORD_FILE)
        warnings.warn(f"{error} Set aside as {aside.name}; the run goes on from its checkpoint.", stacklevel=3)
        return None


def _refuse_foreign(run: Run, out: Path) -> None:
    """Refuse a folder that is not this run's, or not a run's, before anything in it is touched."""
    if not is_folder(out):
        return None
    for name in (RECORD_FILE, RUN_FILE, SPLIT_FILE, LOCK):
        is_file(out / name)
    for name in (RECORD_FILE, RUN_FILE):
        if (there := _described(out / name)) is not None:
            return _refuse_other(out, there, run)
    if not (out / RUN_FILE).exists() and any(path.name != LOCK and not is_part(path) for path in out.iterdir()):
        raise ValueError(
            f"train: the run's folder must be new or hold the same run; {out} holds other files. Choose another --out."
        )
    return None


def _described(path: Path) -> Run | None:
    """The run that a file is of; None where there is no such file, or it is damaged."""
    try:
        return Record.read(path).run if path.name == RECORD_FILE else _read_description(path)[0]
    except (FileNotFoundError, DamagedFileError):
        return None


def _refuse_other(out: Path, there: Run, wanted: Run) -> None:
    if there.run_id == wanted.run_id:
        return
    mine, theirs = wanted.as_dict(), there.as_dict()
    differing = ", ".join(f"{k} {theirs[k]!r} (wanted {v!r})" for k, v in mine.items() if theirs[k] != v)
    raise ValueError(
        f"train: the folder {out} holds another run, which is never overwritten: {differing}. Choose another --out."
    )


def _claim(
    run: Run, out: Path, data: Seen, splits: Mapping[str, Split], started_from: Mapping[str, Any] | None
) -> None:
    """Leave the description in the folder, with what a run begins with; refuse what it did not begin with.

    Test images that were set aside are named in a file beside it.
    """
    path = out / RUN_FILE
    if is_file(path):
        try:
            _, begun = _read_description(path)
            refuse_other_data(run, begun[_DATA], data, goes_on=True)
            refuse_other_weights(run, begun[_WEIGHTS], started_from)
            say_if_other_code(run, begun[_CODE])
        except DamagedFileError:
            aside = set_aside(path)
            warnings.warn(f"train: {path} is damaged. Set aside as {aside.name}.", stacklevel=4)
    begun = {_DATA: data, _CODE: describe_code(run), **({_WEIGHTS: plain(started_from)} if started_from else {})}
    write_json(path, {**run.as_written(), **begun})
    chosen = listing_of_chosen(splits, out)
    if chosen is not None:
        write_whole(out / SPLIT_FILE, chosen.encode(errors=ERRORS))


def _read_description(path: Path) -> tuple[Run, dict[str, Any]]:
    """The run that a folder is of, and what it began with: its data, the code of one's own, weights.

    Raises:
        DamagedFileError: If the file is no JSON, or what it says beside the run is not what a run leaves.
        ValueError: If it describes no run.
    """
    values = read_json(path)
    begun = {key: values.pop(key, None) if isinstance(values, dict) else None for key in (_DATA, _CODE, _WEIGHTS)}
    try:
        run = Run.from_record(values)
    except ValueError as error:
        raise ValueError(f"train: {path} must describe a run; {error}") from error
    try:
        for key, law in ((_DATA, data_law()), (_CODE, code_law(run)), (_WEIGHTS, weights_law(run))):
            obey(OrNull(law), begun[key], key)
    except BrokenLawError as error:
        raise DamagedFileError(f"train: {path} must say what a run began with; {error}.") from error
    return run, begun


def _sweep(out: Path) -> None:
    """Remove what a kill left of files that were being written; nobody else writes here."""
    for path in [*out.glob(".*.part"), *(out / CHECKPOINTS).glob(".*.part")]:
        if path.is_file():
            path.unlink()
