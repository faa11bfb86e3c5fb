"""Finding a study: by its name among those that are known, or by the path of a user's own."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sigma2r._resolve import is_path, resolve
from sigma2r._suggest import unknown
from sigma2r.studies.record import STUDY_FILE, DamagedFileError, read_json
from sigma2r.studies.study import Scale, Study

Known = Mapping[str, Study]
"""Studies by their names, or by the paths that a user has typed."""


def find_study(name: str, known: Known) -> Study:
    """The study of that name, or that a path names: ``package.module:STUDY``, ``study.py:STUDY``.

    Raises:
        ValueError: If there is none; the nearest names are suggested.
    """
    if name in known:
        return known[name]
    if not is_path(name):
        raise unknown("study", name, known)
    found = resolve("study", name)
    if not isinstance(found, Study):
        raise ValueError(f"{name}: a study must be a sigma2r.studies.study.Study; got {type(found).__name__}.")
    return replace(found, reference=name)


def read_study(folder: Path, known: Known) -> tuple[Study | None, Scale]:
    """Which study a folder holds the records of, and at which scale.

    No code is imported for what a file says: a study is None unless it is among those ``known``, by what the file says
    or, of a user's own, by the folder that it keeps its records in.

    Raises:
        ValueError: If the folder does not say so, or the study has no such scale.
    """
    values = read_json(folder / STUDY_FILE)
    if not isinstance(values, dict) or not all(isinstance(values.get(key), str) for key in ("study", "scale")):
        raise DamagedFileError(f"report: {folder / STUDY_FILE} must name a study and its scale; got {values}.")
    name, scale = values["study"], values["scale"]
    own = (each for each in known.values() if each.name == folder.name and is_path(each.reference or ""))
    study = known.get(name) or next(own, None)
    return (None, scale) if study is None else (study, study.scale(scale))
