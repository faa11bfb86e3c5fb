"""The studies by the names that a user types, one file each."""

from pathlib import Path

from sigma2r._suggest import unknown
from sigma2r.studies.catalog import (
    fashion_mnist_accuracy,
    figure_4,
    figure_5,
    sensitivity,
    table_1,
    table_2,
    table_3,
    table_4,
)
from sigma2r.studies.record import STUDY_FILE, read_json
from sigma2r.studies.study import SCALES, Scale, Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        table_1.STUDY,
        fashion_mnist_accuracy.STUDY,
        figure_4.STUDY,
        table_2.STUDY,
        table_3.STUDY,
        table_4.STUDY,
        figure_5.STUDY,
        sensitivity.STUDY,
    )
}

__all__ = ["STUDIES", "find_study", "read_study"]


def find_study(name: str) -> Study:
    """The study of that name.

    Raises:
        ValueError: If there is none; the nearest names are suggested.
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return STUDIES[name]


def read_study(folder: Path) -> tuple[Study, Scale]:
    """Which study a folder holds the records of, and at which scale.

    Raises:
        ValueError: If the folder does not say so.
    """
    values = read_json(folder / STUDY_FILE)
    if not isinstance(values, dict) or values.get("scale") not in SCALES:
        raise ValueError(f"report: {folder / STUDY_FILE} must name a study and its scale, desk or paper; got {values}.")
    return find_study(str(values.get("study"))), values["scale"]
