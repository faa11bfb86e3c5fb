"""Finding a study: by its name among those that are known, or by the path of a user's own."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sigma2r._places import is_file
from sigma2r._resolve import folder_of, is_path, names_of, resolve
from sigma2r._suggest import unknown
from sigma2r.studies._laws import TEXT, BrokenLawError, Parts, obey
from sigma2r.studies.record import STUDY_FILE, DamagedFileError, read_json
from sigma2r.studies.study import Scale, Study

Known = Mapping[str, Study]
"""Studies by their names, or by the paths that a user has typed."""


def find_study(name: str, known: Known) -> Study:
    """The study of that name, or that a path names: ``package.module:STUDY``, ``study.py:STUDY``.

    Raises:
        ValueError: If there is none; the nearest names are suggested, or those that a file has.
    """
    if name in known:
        return known[name]
    if name.endswith(".py"):
        paths = [f"{name}:{each}" for each in names_of("study", name, Study)]
        raise ValueError(
            f"{name}: a study of one's own is named with its file, {name}:NAME; that file has "
            f"{', '.join(paths) or 'none'}."
        )
    if not is_path(name):
        raise unknown("study", name, known)
    found = resolve("study", name)
    if not isinstance(found, Study):
        raise ValueError(f"{name}: a study must be a sigma2r.studies.study.Study; got {type(found).__name__}.")
    return replace(found, reference=name, folder=folder_of(name))


def folders_of_studies(folder: Path) -> list[Path]:
    """The folders within a folder that hold the records of a study: each says of which in a file.

    Raises:
        ValueError: If something else lies in the place of such a file.
    """
    below = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [path for path in below if is_file(path / STUDY_FILE)]


def named_study(path: Path) -> tuple[str, Scale]:
    """The name or path of the study, and the scale, that a file in a folder of records says.

    Raises:
        DamagedFileError: If it says no such thing.
    """
    values = read_json(path)
    try:
        obey(Parts({"study": TEXT, "scale": TEXT}), values)
    except BrokenLawError as error:
        raise DamagedFileError(f"Study: {path} must name a study and its scale; {error}.") from error
    return values["study"], values["scale"]


def read_study(folder: Path, known: Known) -> tuple[Study | None, Scale]:
    """Which study a folder holds the records of, and at which scale.

    No code is imported for what a file says: a study is None unless it is among those ``known``, by what the file says
    or, of a user's own, by the folder that it keeps its records in.

    Raises:
        ValueError: If the folder does not say so, or the study has no such scale.
    """
    name, scale = named_study(folder / STUDY_FILE)
    own = (each for each in known.values() if each.name == folder.name and is_path(each.reference or ""))
    study = known.get(name) or next(own, None)
    return (None, scale) if study is None else (study, study.scale(scale))
