"""The report of a study: its parts, each with results, statistics, differences and what the study adds of its own."""

import shlex
from collections.abc import Iterator
from statistics import fmean, stdev

from sigma2r._call import broken
from sigma2r.report.document import Document, Section
from sigma2r.report.figures import make_figures
from sigma2r.report.grid import Grid
from sigma2r.report.groups import part_records
from sigma2r.report.page import MEANINGS, differences_grids, diverged_told, environment, results_grid
from sigma2r.report.paired import Compared, compared_in, family_size
from sigma2r.report.picture import Picture
from sigma2r.report.tables import COLUMNS, Summary, Table, figure_at, make_table
from sigma2r.studies.record import Record
from sigma2r.studies.study import Done, Part, Scale, Study

STATISTICS = ("loss", "figure", "n", "mean", "standard deviation", "least", "greatest")


def study_document(study: Study, scale: Scale, done: Done) -> Document:
    """The report of one study as a document."""
    return Document(
        title=f"sigma2r: {study.title}",
        paragraphs=(f"{study.source}. {study.settings[scale]}",),
        sections=(
            *study_sections(study, scale, done, family_size(compared_of(study, scale, done))),
            Section(title="What the figures mean", terms=MEANINGS),
        ),
    )


def compared_of(study: Study, scale: Scale, done: Done) -> Iterator[Compared]:
    """The comparisons of the tables of a study."""
    for part in study.known_parts(scale, done):
        records = part_records(part, done)
        if records and not part.trials:
            table = make_table(records)
            yield from compared_in(table, _baseline(part, table))


def study_sections(study: Study, scale: Scale, done: Done, family: int) -> Iterator[Section]:
    """A section for each part that has records.

    Args:
        study: With its parts.
        scale: At which it is shown.
        done: Records.
        family: How many comparisons the page has.
    """
    parts = study.known_parts(scale, done)
    for part in parts:
        records = part_records(part, done)
        diverged = part_records(part, done, diverged=True)
        if records:
            last = part is parts[-1]
            yield _section(study, scale, part, make_table(records), diverged, family, last)
        elif diverged:
            title, told = f"{study.title}: {part.title}", diverged_told(diverged)
            yield Section(title=title, paragraphs=(part.text, *told))


def _section(
    study: Study, scale: Scale, part: Part, table: Table, diverged: list[Record], family: int, last: bool
) -> Section:
    prefix = f"{study.name}-{part.name}"
    missing = len(part.runs) - len(table.records) - len(diverged)
    text = [part.text, *diverged_told(diverged)]
    if missing:
        text.append(f"{missing} of {len(part.runs)} runs are not done yet.")
    extras = [] if part.trials else _extras(study, part, table)
    grids = (_trials(part, table, prefix),) if part.trials else _grids(part, table, prefix, family)
    pictures = () if part.trials else make_figures(table, f"{prefix}-", study.figures)
    return Section(
        title=f"{study.title}: {part.title}",
        paragraphs=tuple(text),
        grids=(*grids, *(extra for extra in extras if isinstance(extra, Grid))),
        pictures=(*pictures, *(extra for extra in extras if isinstance(extra, Picture))),
        code=f"sigma2r reproduce {shlex.quote(study.reference or study.name)} --scale {shlex.quote(scale)}"
        if last
        else None,
        notes=(environment(table.records[0]),) if last else (),
    )


def _extras(study: Study, part: Part, table: Table) -> list[object]:
    try:
        extras = list(study.extras(part, table.records))
    except Exception as error:  # whatever the code of a user raises
        raise broken(f"report: extras of {study.name}", error) from error
    for extra in extras:
        if not isinstance(extra, (Grid, Picture)):
            raise ValueError(
                f"report: extras of {study.name} must be sigma2r.report.grid.Grid or sigma2r.report.figures.Picture; "
                f"got {type(extra).__name__}."
            )
    return extras


def _baseline(part: Part, table: Table) -> str | None:
    return part.baseline if part.baseline in table.groups else None


def _grids(part: Part, table: Table, prefix: str, family: int) -> Iterator[Grid]:
    yield results_grid(table, f"{prefix}-results")
    yield statistics_grid(table, f"{prefix}-statistics")
    yield from differences_grids(table, f"{prefix}-differences", family, _baseline(part, table))


def statistics_grid(table: Table, name: str) -> Grid:
    """Mean, standard deviation, least and greatest over seeds of every figure of test images."""
    rows = []
    for loss, group in table.groups.items():
        for column in (column for column in COLUMNS if column.path[0] == "test"):
            values = [value for record in group if (value := column.value(record)) is not None]
            if values:
                spread = f"{stdev(values):.{column.digits + 1}f}" if len(values) > 1 else "–"
                least, mean, most = (f"{v:.{column.digits}f}" for v in (min(values), fmean(values), max(values)))
                rows.append((loss, column.title, str(len(values)), mean, spread, least, most))
    return Grid(
        name=name,
        title="Statistics",
        caption="Over seeds, on test images after the last epoch.",
        headings=STATISTICS,
        rows=tuple(rows),
    )


_OF_TRIALS = (("accuracy", 4), ("intra_mean", 3), ("intra_inter", 3))  # with so many digits


def _trials(part: Part, table: Table, prefix: str) -> Grid:
    rows = []
    for loss, group in table.groups.items():
        summaries = (
            (Summary.of(figure_at(record.final, "validation", key) for record in group), digits)
            for key, digits in _OF_TRIALS
        )
        cells = ("–" if summary is None else summary.text(digits) for summary, digits in summaries)
        rows.append((loss, str(len(group)), *cells, part.remarks.get(group[0].run.loss_name, "")))
    return Grid(
        name=f"{prefix}-trials",
        title="Trials",
        caption="On images set aside from training; mean ± half the 95 % t interval over seeds.",
        headings=("loss", "n", "accuracy", "I", "intra/inter", ""),
        rows=tuple(rows),
    )
