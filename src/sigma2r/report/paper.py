"""The report of a folder: of a study, of all studies of the paper, or of records as they come."""

from pathlib import Path

from sigma2r.report.claims import Findings, claims_grid
from sigma2r.report.document import Document, Section, write_document
from sigma2r.report.geometry import geometry_sections
from sigma2r.report.page import MEANINGS, records_document
from sigma2r.report.study import study_document, study_sections
from sigma2r.studies.catalog import STUDIES, read_study
from sigma2r.studies.record import STUDY_FILE, Record, read_records
from sigma2r.studies.study import Done, Scale, Study


def write_folder_report(folder: Path, out: Path) -> Path:
    """Write the report of whatever ``folder`` holds into ``out``.

    Args:
        folder: A study's records (it holds ``study.json``), a folder of such folders, or any run folders or records.
        out: Where the page, tables and figures go.

    Returns:
        The page.

    Raises:
        ValueError: If there is no record, or one cannot be read.
        OSError: If ``out`` cannot be written to.
    """
    return write_document(folder_document(folder), out)


def folder_document(folder: Path) -> Document:
    """The same as a document."""
    if (folder / STUDY_FILE).exists():
        study, scale = read_study(folder)
        return study_document(study, scale, _records_of(folder))
    several = read_studies(folder)
    return paper_document(*several) if several[1] else records_document(read_records(folder))


def read_studies(folder: Path) -> tuple[Done, dict[str, Scale]]:
    """All records of the studies in ``folder``, and the scale of each study; nothing if there is none.

    Raises:
        ValueError: If a record cannot be read.
    """
    done: dict[str, Record] = {}
    scales: dict[str, Scale] = {}
    for path in sorted(folder.glob(f"*/{STUDY_FILE}")):
        study, scale = read_study(path.parent)
        scales[study.name] = scale
        done |= _records_of(path.parent)
    return done, {name: scales[name] for name in STUDIES if name in scales}


def _records_of(folder: Path) -> dict[str, Record]:
    paths = (path for path in sorted(folder.glob("*.json")) if path.name != STUDY_FILE)
    return {record.run_id: record for record in map(Record.read, paths)}


def paper_document(done: Done, scales: dict[str, Scale]) -> Document:
    """The report of all studies: verdicts first, then each study, and the figures that need no training."""
    verdicts = Section(
        title="What the paper asserts, and what was found",
        paragraphs=(
            "Each assertion is looked at as the paper looks at it, at equal weight; where weights play a part also at "
            "equal strength and with each loss at its own best weight, in figures that a network cannot lower by "
            "shrinking all its features.",
        ),
        grids=(claims_grid(Findings(done, scales)),),
    )
    studies: list[Study] = [STUDIES[name] for name in scales]
    return Document(
        title="sigma2r: the paper, run again",
        paragraphs=(
            f"{len(done)} runs of {len(scales)} studies. Everything here is built from their records, and computed by "
            "the losses themselves.",
        ),
        sections=(
            verdicts,
            *(section for study in studies for section in study_sections(study, scales[study.name], done)),
            *geometry_sections(),
            Section(title="What the figures mean", terms=MEANINGS),
        ),
    )
