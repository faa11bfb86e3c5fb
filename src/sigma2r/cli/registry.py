"""What the command line knows by name, gathered in one place: the only one that knows of the paper."""

from collections.abc import Iterable
from pathlib import Path

from sigma2r.paper.geometry import COMPUTED
from sigma2r.paper.studies import STUDIES
from sigma2r.report import or_what_to_install, refuse_among_images
from sigma2r.studies.catalog import Known, find_study
from sigma2r.studies.record import Record
from sigma2r.studies.study import Study

__all__ = ["COMPUTED", "STUDIES", "find", "names", "write_computed", "write_folder_report"]


def names() -> list[str]:
    """All that can be reproduced by name: what is computed, and what is trained."""
    return [*COMPUTED, *STUDIES]


def find(name: str) -> Study:
    """The study of that name or path.

    Raises:
        ValueError: If there is none; the nearest names are suggested.
    """
    return find_study(name, STUDIES)


def write_folder_report(folder: Path, out: Path, own: Iterable[Study] = ()) -> Path:
    """Write the report of whatever ``folder`` holds into ``out``; returns the page.

    Args:
        folder: A study's records, a folder of such folders, or run folders or records.
        out: Where the page, tables and figures go.
        own: Studies of a user's own that it may hold.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
        ValueError: If there is no record, one cannot be read, or ``out`` lies among the images of one.
        OSError: If ``out`` cannot be written to.
    """
    with or_what_to_install():
        from sigma2r.paper.page import paper_document
        from sigma2r.report.document import write_document
        from sigma2r.report.folder import folder_document
    known: Known = {**STUDIES, **{study.reference or study.name: study for study in own}}

    def look(records: Iterable[Record]) -> None:
        refuse_among_images(out, (record.run for record in records))

    return write_document(folder_document(folder, known, paper_document, look), out)


def write_computed(name: str, out: Path) -> Path:
    """Write the report of a figure that needs no training into ``out``; returns the page.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
        OSError: If ``out`` cannot be written to.
    """
    with or_what_to_install():
        from sigma2r.paper.pictures import figure_document
        from sigma2r.report.document import write_document
    return write_document(figure_document(name), out)
