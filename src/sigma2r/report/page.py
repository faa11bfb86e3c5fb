"""One self-contained HTML page from records alone: same records, same bytes."""

import base64
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sigma2r.losses.registry import CROSS_ENTROPY
from sigma2r.report.figures import Picture, make_figures
from sigma2r.report.paired import DIFFERENCE_HEADINGS, differences, note
from sigma2r.report.tables import HEADINGS, Table, class_rows, loss_groups, make_tables
from sigma2r.studies.record import Record
from sigma2r.studies.run import STARTS, Run

PAGE = "report.html"
FIGURES = "figures"


def write_report(records: Sequence[Record], folder: Path) -> Path:
    """Write ``report.html`` and the figures as files beside it.

    Returns:
        The page.

    Raises:
        ValueError: If there is no record.
        OSError: If the folder cannot be written to.
    """
    tables = make_tables(records)
    pictures = [list(make_figures(table)) for table in tables]
    for i, several in enumerate(pictures):
        prefix = f"{i + 1}-" if len(tables) > 1 else ""
        for picture in several:
            _write(folder / FIGURES / f"{prefix}{picture.name}.png", picture.png)
            _write(folder / FIGURES / f"{prefix}{picture.name}.svg", picture.svg)
    page = folder / PAGE
    _write(page, render_page(tables, pictures).encode())
    return page


def render_page(tables: Sequence[Table], pictures: Sequence[Sequence[Picture]]) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("sigma2r.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda content: Markup(base64.b64encode(content).decode())
    sections = [_section(table, shown) for table, shown in zip(tables, pictures, strict=True)]
    num_runs = sum(len(table.records) for table in tables)
    template = environment.get_template("page.html")
    return template.render(
        tables=tables, sections=sections, headings=HEADINGS, difference_headings=DIFFERENCE_HEADINGS, num_runs=num_runs
    )


def _section(table: Table, pictures: Sequence[Picture]) -> dict[str, Any]:
    first = table.records[0]
    groups, found = loss_groups(table.records), differences(table)
    device, versions = first.device, first.versions
    known = ", ".join(f"{name} {number}" for name, number in versions.items())
    return {
        "table": table,
        "pictures": pictures,
        "losses": list(groups),
        "several": any(len(group) > 1 for group in groups.values()),
        "classes": {split: class_rows(table, split) for split in ("train", "test")},
        "differences": [each.cells() for each in found],
        "note": note(found),
        "command": command(table),
        "environment": f"The first run: {device['name']} ({device['type']}, {device['threads']} threads); {known}.",
    }


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


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
