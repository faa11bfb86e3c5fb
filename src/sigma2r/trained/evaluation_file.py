"""An evaluation as a file beside the run: read back, and known to be of this run or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sigma2r._places import is_file
from sigma2r.studies.record import DamagedFileError, read_json
from sigma2r.trained.evaluating import KIND, SCHEMA, Asked, whose
from sigma2r.trained.trained import Trained

EVALUATION_FILE = "evaluation.json"


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
    return values if known else None


def is_of(values: Mapping[str, Any], trained: Trained, asked: Asked) -> bool:
    """Whether an evaluation is of these weights, and of what is asked for."""
    return all(values.get(key) == wanted for key, wanted in {**whose(trained), "asked": asked.as_dict()}.items())
