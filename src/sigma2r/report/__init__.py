"""Tables, figures and the page, built from records alone."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from sigma2r._extras import or_which_extra
from sigma2r.report.evaluated import Evaluations
from sigma2r.report.owned import refuse_among_images, refuse_foreign
from sigma2r.report.paired import differences
from sigma2r.report.tables import make_tables
from sigma2r.report.terminal import print_evaluations, print_study, print_table
from sigma2r.studies.record import Record

__all__ = [
    "differences",
    "make_tables",
    "markdown_table",
    "or_what_to_install",
    "print_evaluations",
    "print_study",
    "print_table",
    "refuse_absent",
    "refuse_among_images",
    "refuse_foreign",
    "write_report",
]


def markdown_table(records: Sequence[Record]) -> str:
    """All tables as Markdown, each with its caption below.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
    """
    with or_what_to_install():
        from sigma2r.report import page
    return "\n\n".join(page.results_grid(table, "results").markdown() for table in make_tables(records))


def write_report(records: Sequence[Record], folder: Path, evaluations: Evaluations | None = None) -> Path:
    """Write ``report.html``, tables and figures into ``folder``; see :func:`sigma2r.report.page.write_report`.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
    """
    with or_what_to_install():
        from sigma2r.report import page
    return page.write_report(records, folder, evaluations)


def refuse_absent() -> None:
    """Refuse before anything is trained for a report.

    Raises:
        ImportError: In one sentence, if matplotlib, jinja2 or scipy is missing.
    """
    with or_what_to_install():
        import scipy  # noqa: F401

        from sigma2r.report import page  # noqa: F401


def or_what_to_install() -> AbstractContextManager[None]:
    """Around imports of what draws and lays out.

    Raises:
        ImportError: In one sentence, if matplotlib or jinja2 is missing.
    """
    return or_which_extra("the report")
