"""Tables, figures and the page, built from records alone."""

from collections.abc import Sequence
from pathlib import Path

from sigma2r.report.paired import differences
from sigma2r.report.tables import make_tables, markdown_table
from sigma2r.report.terminal import print_table
from sigma2r.studies.record import Record

__all__ = ["differences", "make_tables", "markdown_table", "print_table", "write_report"]


def write_report(records: Sequence[Record], folder: Path) -> Path:
    """Write ``report.html`` and figures into ``folder``; see :func:`sigma2r.report.page.write_report`.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
    """
    try:
        from sigma2r.report import page
    except ModuleNotFoundError as error:
        raise ImportError(f'the report needs more ({error}): pip install "sigma2r[report]"') from error
    return page.write_report(records, folder)
