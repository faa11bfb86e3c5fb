"""The report of records as they come: a section for each table. Same records, same bytes."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from sigma2r.report.document import Document, Section, write_document
from sigma2r.report.figures import make_figures
from sigma2r.report.grid import Grid
from sigma2r.report.paired import DIFFERENCE_HEADINGS, differences, note
from sigma2r.report.tables import HEADINGS, Table, class_rows, loss_groups, make_tables
from sigma2r.studies.losses import CROSS_ENTROPY
from sigma2r.studies.record import Record
from sigma2r.studies.run import STARTS, Run

MEANINGS = (
    (
        "accuracy",
        "Share of images whose largest logit is that of their class, without augmentation, after the last epoch.",
    ),
    (
        "I, train",
        "Intra-class spread on training images: root of the sum of squared distances of a class's features to their "
        "mean, over their number less one (Eq. 12 of arXiv 2009.08796), in feature units; its mean over classes. A "
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
    ("loss", "NAME@WEIGHT: cross-entropy plus weight times the loss (Eq. 11)."),
    ("interval", "Of the mean difference; all intervals of a table hold at once with 95 %."),
    ("seeds to decide", "Runs of each loss with which so large a difference would be found with a chance of 80 %."),
)


def write_report(records: Sequence[Record], folder: Path) -> Path:
    """Write ``report.html``, and tables and figures as files beside it.

    Returns:
        The page.

    Raises:
        ValueError: If there is no record of a run that ended.
        OSError: If the folder cannot be written to.
    """
    return write_document(records_document(records), folder)


def records_document(records: Sequence[Record]) -> Document:
    """The report of records as a document.

    Raises:
        ValueError: If there is no record of a run that ended.
    """
    tables = make_tables(records)
    diverged = [record for record in records if record.diverged is not None]
    told = (
        f"{len(records)} finished run{'' if len(records) == 1 else 's'}. Everything here is built from their records."
    )
    paragraphs = [told, *diverged_told(diverged)]
    sections = [_section(table, f"{i}-" if len(tables) > 1 else "") for i, table in enumerate(tables, start=1)]
    meanings = Section(title="What the figures mean", terms=MEANINGS)
    return Document(
        title="sigma2r: a comparison of losses", paragraphs=tuple(paragraphs), sections=(*sections, meanings)
    )


def diverged_told(records: Iterable[Record]) -> list[str]:
    """A sentence for each run that did not end with finite features."""
    return [f"{r.run.loss_name}, seed {r.run.init_seed}, diverged: {r.diverged}" for r in records]


def _section(table: Table, prefix: str) -> Section:
    groups = loss_groups(table.records)
    return Section(
        title=f"{prefix.rstrip('-')} {table.title}".strip(),
        grids=(
            results_grid(table, f"{prefix}results"),
            *differences_grids(table, f"{prefix}differences"),
            *(classes_grid(table, split, f"{prefix}classes-{split}") for split in ("train", "test")),
        ),
        pictures=tuple(make_figures(table, prefix)),
        code=command(table),
        notes=(environment(groups[next(iter(groups))][0]),),
    )


def results_grid(table: Table, name: str) -> Grid:
    """The rows of a table."""
    rows = tuple(tuple(row.cells()) for row in table.rows)
    return Grid(name=name, title="Results", caption=table.caption, headings=HEADINGS, rows=rows)


def differences_grids(table: Table, name: str, baseline: str | None = None) -> tuple[Grid, ...]:
    """How losses differ from the baseline; nothing where seeds are too few."""
    found = differences(table, baseline)
    if not found:
        return ()
    return (
        Grid(
            name=name,
            title=f"Differences from {found[0].baseline}",
            caption=note(found),
            headings=DIFFERENCE_HEADINGS,
            rows=tuple(tuple(each.cells()) for each in found),
        ),
    )


def classes_grid(table: Table, split: str, name: str) -> Grid:
    """The spread of each class under each loss."""
    groups = loss_groups(table.records)
    several = any(len(group) > 1 for group in groups.values())
    return Grid(
        name=name,
        title=f"Spread of each class, {split}",
        caption="Eq. 12 for each class after the last epoch"
        + (" (mean ± half the 95 % t interval over seeds)." if several else "."),
        headings=("class", *groups),
        rows=tuple(tuple(row) for row in class_rows(table, split)),
    )


def environment(record: Record) -> str:
    """Where a run was trained, and with what."""
    known = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    device = record.device
    return f"The first run: {device['name']} ({device['type']}, {device['threads']} threads); {known}."


def command(table: Table) -> str:
    """The command that trains the runs of a table again."""
    run, default = table.records[0].run, Run(dataset=table.records[0].run.dataset, model=table.records[0].run.model)
    groups = loss_groups(table.records)
    spelled = [group[0].run.spelled_loss for group in groups.values()]
    words = ["sigma2r", "compare", "--dataset", run.dataset, "--model", run.model, "--losses", *spelled]
    words += ["--seeds", str(max(len(group) for group in groups.values()))]
    for key, value in run.as_dict().items():
        if key in ("dataset", "model", "loss", "loss_weight", "loss_options", "init_seed", *STARTS):
            continue
        before = default.as_dict()[key]
        if isinstance(value, dict):
            words += [word for k, v in value.items() if v != before[k] for word in (f"--{key}.{k}", str(v))]
        elif value != before:
            words += [f"--{key}", str(value)]
    for key in STARTS:
        started = {getattr(group[0].run, key) for group in groups.values() if group[0].run.loss != CROSS_ENTROPY}
        if len(started) == 1 and started != {getattr(default, key)}:
            words += [f"--{key}", str(started.pop())]
    return shlex.join(words)
