"""What the command line knows by name, gathered in one place: the only one that knows of the paper."""

from collections.abc import Iterable
from pathlib import Path

from sigma2r._shown import listed
from sigma2r.paper.geometry import COMPUTED
from sigma2r.paper.studies import STUDIES
from sigma2r.report import or_what_to_install, refuse_among_images
from sigma2r.studies.catalog import Known, find_study
from sigma2r.studies.record import Record
from sigma2r.studies.study import Study

__all__ = ["COMPUTED", "STUDIES", "find", "names", "print_folder_tables", "write_computed", "write_folder_report"]


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
        ValueError: If there is no record, one cannot be read, ``out`` lies among the images of one, or two studies have
            one name.
        OSError: If ``out`` cannot be written to.
    """
    with or_what_to_install():
        from sigma2r.paper.page import paper_document
        from sigma2r.report.document import write_document
        from sigma2r.report.folder import folder_document
    known = _known(own)

    def look(records: Iterable[Record]) -> None:
        refuse_among_images(out, (record.run for record in records))

    return write_document(folder_document(folder, known, paper_document, look), out)


def print_folder_tables(folder: Path, own: Iterable[Study] = ()) -> None:
    """Print the tables of whatever ``folder`` holds, unless that is several studies.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
        ValueError: If there is no record, one cannot be read, or two studies have one name.
    """
    with or_what_to_install():
        from sigma2r.report.folder import print_folder
    print_folder(folder, _known(own))


def _known(own: Iterable[Study]) -> Known:
    """The paper's studies and a user's own, by what finds them."""
    by_reference = {study.reference or study.name: study for study in own}
    of_name: dict[str, list[str]] = {}
    for reference, study in by_reference.items():
        of_name.setdefault(study.name, []).append(reference)
    for name, references in of_name.items():
        if len(references) > 1:
            raise ValueError(
                f"report: each --study must have a name of its own; {listed(references)} are all called {name}. Rename "
                "them, or report them one by one."
            )
    return {**STUDIES, **by_reference}


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
