"""The report of records as they come: a section for each table. Same records, same bytes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sigma2r.report.again import AGAIN, commands
from sigma2r.report.document import Document, Section, write_document
from sigma2r.report.evaluated import MEANINGS as OF_EVALUATIONS
from sigma2r.report.evaluated import Evaluations, evaluation_grids
from sigma2r.report.figures import make_figures
from sigma2r.report.grid import Grid
from sigma2r.report.groups import settings_of
from sigma2r.report.owned import TABLES, refuse_among_images
from sigma2r.report.paired import DIFFERENCE_HEADINGS, compared_in, differences, family_size, note
from sigma2r.report.tables import HEADINGS, Table, by_spread, class_rows, make_tables
from sigma2r.studies.record import Record

MEANINGS = (
    (
        "accuracy",
        "Share of images whose largest logit is that of their class, without augmentation, after the last epoch.",
    ),
    (
        "I, train",
        "Intra-class spread on training images: root of the sum of squared distances of a class's features to their "
        "mean, over their number less one, in feature units; its mean over classes. A "
        "class of one image has none.",
    ),
    ("I, test", "The same on test images, about the means of the test features."),
    (
        "intra/inter",
        "I on test images over the mean Euclidean distance between the means of two classes in the training set. It "
        "does not change when a network shrinks all its features, which lowers I for free.",
    ),
    (
        "tail 99 %",
        "Distance to the class mean that 99 % of the test images do not exceed, over the same distance between "
        "classes: how far stragglers are.",
    ),
    ("tail max", "Distance of the farthest test image to its class mean, over the same distance between classes."),
    ("loss", "NAME@WEIGHT: cross-entropy plus weight times the loss."),
    ("interval", "Of the mean difference; all intervals of the page hold at once with 95 %."),
    (
        "higher in",
        "Seeds in which the loss is above the one that it is compared with: a count that asks for no normality.",
    ),
    ("seeds to decide", "Runs of each loss with which so large a difference would be found with a chance of 80 %."),
)


def write_report(records: Sequence[Record], folder: Path, evaluations: Evaluations | None = None) -> Path:
    """Write ``report.html``, and tables and figures as files beside it.

    Args:
        records: Of runs.
        folder: Where to.
        evaluations: Of these runs, where there are some.

    Returns:
        The page.

    Raises:
        ValueError: If there is no record of a run that ended, or the folder lies among the images of one.
        OSError: If the folder cannot be written to.
    """
    refuse_among_images(folder, (record.run for record in records))
    return write_document(records_document(records, evaluations), folder)


def records_document(records: Sequence[Record], evaluations: Evaluations | None = None) -> Document:
    """The report of records as a document.

    Args:
        records: Of runs.
        evaluations: Of these runs, where there are some.

    Raises:
        ValueError: If there is no record of a run that ended.
    """
    tables = make_tables(records)
    diverged = [record for record in records if record.diverged is not None]
    told = (
        f"{len(records)} finished run{'' if len(records) == 1 else 's'}. Everything here is built from their records."
    )
    paragraphs = [told, *diverged_told(diverged)]
    family = family_size(each for table in tables for each in compared_in(table))
    sections = [
        _section(table, f"{i}-" if len(tables) > 1 else "", diverged, family, evaluations or {})
        for i, table in enumerate(tables, start=1)
    ]
    meanings = Section(title="What the figures mean", terms=(*MEANINGS, *(OF_EVALUATIONS if evaluations else ())))
    return Document(
        title="sigma2r: a comparison of losses", paragraphs=tuple(paragraphs), sections=(*sections, meanings)
    )


def diverged_told(records: Iterable[Record]) -> list[str]:
    """A sentence for each run that did not end with finite features."""
    return [f"{r.run.loss_name}, seed {r.run.init_seed}, diverged: {r.diverged}" for r in records]


def _section(table: Table, prefix: str, diverged: Sequence[Record], family: int, evaluations: Evaluations) -> Section:
    groups = table.groups
    again = command(table, diverged)
    together = (f"sigma2r report {AGAIN} then shows these runs on one page.",) if "\n" in again else ()
    return Section(
        title=f"{prefix.rstrip('-')} {table.title}".strip(),
        grids=(
            results_grid(table, f"{prefix}results"),
            *evaluation_grids(table, evaluations, prefix),
            *differences_grids(table, f"{prefix}differences", family),
            *(classes_grid(table, split, f"{prefix}classes-{split}") for split in ("train", "test")),
        ),
        pictures=tuple(make_figures(table, prefix)),
        code=again,
        notes=(*together, environment(groups[next(iter(groups))][0])),
    )


def results_grid(table: Table, name: str) -> Grid:
    """The rows of a table."""
    rows = tuple(tuple(row.cells()) for row in table.rows)
    return Grid(name=name, title="Results", caption=table.caption, headings=HEADINGS, rows=rows)


def differences_grids(table: Table, name: str, family: int, baseline: str | None = None) -> tuple[Grid, ...]:
    """How losses differ from the baseline; nothing where seeds are too few.

    Args:
        table: With a row for the baseline.
        name: Of the grid.
        family: How many comparisons the page has.
        baseline: Default: the first loss.
    """
    found = differences(table, baseline, family)
    if not found:
        return ()
    return (
        Grid(
            name=name,
            title=f"Differences from {found[0].baseline}",
            caption=note(family),
            headings=DIFFERENCE_HEADINGS,
            rows=tuple(tuple(each.cells()) for each in found),
        ),
    )


MANY = 100
"""Classes, beyond which the page shows the most and the least compact alone."""

_ENDS = 20  # classes at either end that it then shows


def classes_grid(table: Table, split: str, name: str) -> Grid:
    """The spread of each class under each loss; of very many classes the ends, and all of them as a file."""
    groups = table.groups
    several = any(len(group) > 1 for group in groups.values())
    rows = tuple(tuple(row) for row in class_rows(table, split))
    caption = "I of each class after the last epoch" + (
        " (mean ± half the 95 % t interval over seeds)." if several else "."
    )
    shown = rows
    if len(rows) > MANY:
        ranked = by_spread(table, (split,))
        shown = tuple(rows[k] for k in (ranked if len(ranked) <= 2 * _ENDS else (*ranked[:_ENDS], *ranked[-_ENDS:])))
        caption += (
            f" The {_ENDS} most and the {_ENDS} least compact of {len(rows):,} classes, the most compact first (by the "
            f"geometric mean over losses and seeds); all are in {TABLES}/{name}.csv."
        )
    return Grid(
        name=name,
        title=f"Spread of each class, {split}",
        caption=caption,
        headings=("class", *groups),
        rows=shown,
        all_rows=None if shown is rows else rows,
    )


def environment(record: Record) -> str:
    """Where a run was trained, and with what."""
    known = ", ".join(f"{name} {number}" for name, number in record.versions.items()) or "–"
    name, kind, threads = (record.device.get(key, "–") for key in ("name", "type", "threads"))
    return f"The first run: {name} ({kind}, {threads} threads); {known}."


def command(table: Table, beside: Iterable[Record] = ()) -> str:
    """The commands that train the runs of a table again, a line each.

    Args:
        table: Its records.
        beside: Records of runs that diverged: those of the same settings belong to it.
    """
    first = settings_of(table.records[0])
    diverged = [record for record in beside if settings_of(record) == first]
    return "\n".join(commands(record.run for record in (*table.records, *diverged)))
