"""Tables, figures and the page, built from records alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sigma2r.report.paired import differences
from sigma2r.report.tables import make_tables
from sigma2r.report.terminal import print_table
from sigma2r.studies.record import Record

__all__ = [
    "differences",
    "make_tables",
    "markdown_table",
    "print_table",
    "write_figure_report",
    "write_folder_report",
    "write_report",
]


def markdown_table(records: Sequence[Record]) -> str:
    """All tables as Markdown, each with its caption below.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
    """
    with _or_what_to_install():
        from sigma2r.report import page
    return "\n\n".join(page.results_grid(table, "results").markdown() for table in make_tables(records))


def write_report(records: Sequence[Record], folder: Path) -> Path:
    """Write ``report.html``, tables and figures into ``folder``; see :func:`sigma2r.report.page.write_report`.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
    """
    with _or_what_to_install():
        from sigma2r.report import page
    return page.write_report(records, folder)


def write_folder_report(folder: Path, out: Path) -> Path:
    """Write the report of a study, of all studies or of records; see :func:`sigma2r.report.paper.write_folder_report`.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
    """
    with _or_what_to_install():
        from sigma2r.report import paper
    return paper.write_folder_report(folder, out)


def write_figure_report(name: str, out: Path) -> Path:
    """Write a figure that needs no training; see :func:`sigma2r.report.geometry.write_figure_report`.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
    """
    with _or_what_to_install():
        from sigma2r.report import geometry
    return geometry.write_figure_report(name, out)


@contextmanager
def _or_what_to_install() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f'the report needs more ({error}): pip install "sigma2r[report]"') from error
