"""The report of a folder: of a study, of several studies, or of records as they come."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from sigma2r._places import is_file
from sigma2r.report.apart import apart
from sigma2r.report.document import Document, Section
from sigma2r.report.page import MEANINGS, records_document
from sigma2r.report.paired import Compared, family_size
from sigma2r.report.study import compared_of, study_document, study_sections
from sigma2r.report.terminal import print_study, print_table
from sigma2r.studies.catalog import Known, folders_of_studies, read_study
from sigma2r.studies.record import STUDY_FILE, Record, read_records
from sigma2r.studies.study import Done, Scale, Study
from sigma2r.trained.evaluation_file import evaluations_below

Several = Callable[[Done, Mapping[str, Scale], Known], Document]


def studies_document(
    done: Done,
    scales: Mapping[str, Scale],
    studies: Known,
    *,
    title: str = "sigma2r: studies",
    text: str = "Everything here is built from their records.",
    family: int | None = None,
    before: Iterable[Section] = (),
    after: Iterable[Section] = (),
) -> Document:
    """The report of several studies.

    Args:
        done: Their records.
        scales: The scale of each, by its name.
        studies: The studies themselves, by name.
        title: Of the page.
        text: Behind how many runs there are.
        family: How many comparisons the page has; default: those of the studies' tables.
        before: Sections before those of the studies.
        after: Sections behind them.
    """
    if family is None:
        family = family_size(compared_of_all(done, scales, studies))
    before, last = tuple(before), (*after, Section(title="What the figures mean", terms=MEANINGS))
    of_each = {name: tuple(study_sections(studies[name], scales[name], done, family)) for name in scales}
    return Document(
        title=title,
        paragraphs=(f"{len(done)} runs of {len(scales)} studies. {text}",),
        sections=(*before, *apart(of_each, (*before, *last)), *last),
    )


def compared_of_all(done: Done, scales: Mapping[str, Scale], studies: Known) -> Iterator[Compared]:
    """The comparisons of the tables of several studies."""
    return (each for name, scale in scales.items() for each in compared_of(studies[name], scale, done))


def nothing_to_say(records: Iterable[Record]) -> None:
    """What most who ask for a document have against its records."""


def folder_document(
    folder: Path,
    known: Known,
    several: Several = studies_document,
    look: Callable[[Iterable[Record]], None] = nothing_to_say,
) -> Document:
    """The report of whatever ``folder`` holds.

    Args:
        folder: A study's records (it holds ``study.json``), a folder of such folders, or any run folders or records.
        known: Studies by what finds them.
        several: How the report of several studies is put together.
        look: Given the records before anything is drawn; it may refuse.

    Raises:
        ValueError: If there is no record, or one cannot be read.
    """
    if is_file(folder / STUDY_FILE):
        study, scale = read_study(folder, known)
        if study is not None:
            its = _records_of(folder)
            look(its.values())
            if not _has_records(study, scale, its):
                raise ValueError(
                    f"report: {folder} must hold records of the study {study.reference or study.name}; it holds none, "
                    f"and {len(its)} of other runs. Name the study that was trained there."
                )
            return study_document(study, scale, its)
        _say_unknown(folder)
    done, scales, studies = read_studies(folder, known)
    records = list(done.values()) if scales else read_records(folder)
    look(records)
    if scales:
        return several(done, scales, studies)
    return records_document(records, evaluations_below(folder, {record.run_id: record for record in records}))


def read_studies(folder: Path, known: Known) -> tuple[Done, dict[str, Scale], Known]:
    """All records of the studies in ``folder``, the scale of each study and the studies; nothing if there is none.

    Studies stand in the order of ``known``; one that a path names which is not among these is left out, and told.

    Raises:
        ValueError: If a record cannot be read.
    """
    done: dict[str, Record] = {}
    scales: dict[str, Scale] = {}
    studies = {}
    for path in folders_of_studies(folder):
        study, scale = read_study(path, known)
        if study is None:
            _say_unknown(path)
            continue
        its = _records_of(path)
        if not _has_records(study, scale, its):
            warnings.warn(
                f"report: {path} holds no record of the study {study.reference or study.name}, which is left out.",
                stacklevel=2,
            )
            continue
        scales[study.name], studies[study.name] = scale, study
        done |= its
    return done, {study.name: scales[study.name] for study in known.values() if study.name in scales}, studies


def print_folder(folder: Path, known: Known) -> None:
    """On the terminal the tables of the study that ``folder`` is of, or those of records that belong to no study."""
    study, scale = read_study(folder, known) if is_file(folder / STUDY_FILE) else (None, "")
    if study is not None:
        print_study(study, scale, _records_of(folder))
    elif not folders_of_studies(folder):
        print_table(read_records(folder))


def _has_records(study: Study, scale: Scale, done: Done) -> bool:
    return any(run.run_id in done for run in study.runs(scale, done))


def _records_of(folder: Path) -> dict[str, Record]:
    paths = (path for path in sorted(folder.glob("*.json")) if path.name != STUDY_FILE)
    return {record.run_id: record for record in map(Record.read, paths)}


def _say_unknown(folder: Path) -> None:
    warnings.warn(
        f"report: {folder} holds a study of somebody's own, whose code is not run for what a file says; its own tables "
        "are left out. Name it to have them: sigma2r report FOLDER --study package.module:STUDY.",
        stacklevel=3,
    )
