"""The verb ``evaluate``: what the features of a trained run are good for, as a page, a JSON file and a short table."""

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sigma2r._shown import unread
from sigma2r.cli.using import UNREAD, with_progress
from sigma2r.report import or_what_to_install
from sigma2r.trained import load
from sigma2r.trained.evaluating import Asked, evaluate_run

_USUAL = {"distance": "euclidean", "resample": "images", "resamples": 1000}


def evaluate(chosen: Namespace) -> int:
    """Do what the words of ``evaluate`` say.

    Returns:
        0, or :data:`~sigma2r.cli.using.UNREAD`.

    Raises:
        ValueError: In one sentence, if the run, the images or the folder cannot be used; nothing is written then.
        ImportError: In one sentence, if a library for the page is missing.
        OSError: If it cannot be written.
    """
    with or_what_to_install():
        from sigma2r.report.evaluation import refuse_foreign_evaluation, short_rows, write_evaluation
    from sigma2r.report import refuse_among_images

    out: Path = chosen.run if chosen.out is None else chosen.out
    trained = load(chosen.run, chosen.checkpoint, chosen.device, resize=chosen.resize, own_code=chosen.own_code)
    refuse_foreign_evaluation(out)
    refuse_among_images(out, [trained.record.run], chosen.data_dir)
    found = evaluate_run(
        trained, asked_of(chosen, out), watch=lambda parts, count: with_progress(parts, count, chosen.progress)
    )
    values = found.as_dict()
    page = write_evaluation(values, out)
    print_short(values, short_rows(values))
    print(f"Page: {page}\nFigures: {page.with_suffix('.json')}")
    return say_unread(values["problems"])


def asked_of(chosen: Any, out: Path) -> Asked:
    """What the words ask for."""
    names = ("data", "split", "data_dir", "download", "own_code", "batch_size", "workers")
    return Asked(
        **{name: getattr(chosen, name) for name in names},
        ood=tuple(chosen.ood),
        out=out,
        settings={name: value for name, usual in _USUAL.items() if (value := getattr(chosen, name)) != usual},
    )


def print_short(values: Mapping[str, Any], rows: Any) -> None:
    """The headlines as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sigma2r.report.terminal import encodable

    console = Console(width=None if Console().is_terminal else 132)
    title = f"{values['loss']}: {values['evaluation']['num_images']:,} images of {values['source']}"
    table = Table(title=Text(encodable(title, console.encoding), "table.title"), title_justify="left")
    for place, name in enumerate(("figure", "value", "interval")):
        table.add_column(name, justify="right" if place == 1 else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(encodable(cell, console.encoding)) for cell in row))
    console.print(table)
    for note in values["notes"]:
        console.print(Text(encodable(note, console.encoding)), style="dim", highlight=False)


def say_unread(problems: Sequence[str]) -> int:
    """Say on standard error that images could not be read.

    Returns:
        0, or :data:`~sigma2r.cli.using.UNREAD`.
    """
    if not problems:
        return 0
    print(f"sigma2r: {unread(problems)}", file=sys.stderr)
    return UNREAD
