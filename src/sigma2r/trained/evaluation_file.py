"""An evaluation as a file beside the run: read back, and known to be of this run or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sigma2r._places import is_file
from sigma2r.studies.record import DamagedFileError, Record, read_json

SCHEMA = 1
KIND = "evaluation"
EVALUATION_FILE = "evaluation.json"


def whose(record: Record, epoch: int) -> dict[str, Any]:
    """Which weights an evaluation is of: another training, or another epoch of it, makes it stale."""
    return {"run_id": record.run_id, "epoch": epoch, "finished": record.finished}


def read_evaluation(folder: Path) -> Mapping[str, Any] | None:
    """The evaluation that lies in the folder of a run, as JSON gives it; None if there is none that can be read."""
    path = folder / EVALUATION_FILE
    if not is_file(path):
        return None
    try:
        values = read_json(path)
    except DamagedFileError:
        return None
    known = isinstance(values, dict) and values.get("schema") == SCHEMA and values.get("kind") == KIND
    return values if known and isinstance(values.get("evaluation"), dict) else None


def is_of(values: Mapping[str, Any], record: Record, asked: Mapping[str, Any] | None = None) -> bool:
    """Whether an evaluation is of the weights of a run's last epoch, and of what is asked for, if that is told."""
    wanted = whose(record, record.run.epochs)
    return all(values.get(key) == value for key, value in wanted.items()) and asked in (None, values.get("asked"))


def evaluations_below(folder: Path, records: Mapping[str, Record]) -> dict[str, Mapping[str, Any]]:
    """The evaluations of the last epoch that lie in the folders of runs below ``folder``, by the name of the run.

    Args:
        folder: Of run folders.
        records: Of the runs, by name.
    """
    found = {}
    for path in sorted(folder.rglob(EVALUATION_FILE)):
        values = read_evaluation(path.parent)
        record = None if values is None else records.get(str(values.get("run_id")))
        if values is not None and record is not None and is_of(values, record):
            found[record.run_id] = values
    return found
