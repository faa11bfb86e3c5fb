"""The verbs that use a trained run; what it says of images, as a file or on the screen."""

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sigma2r.cli.exporting import export_run
from sigma2r.trained import Trained, fit_rejector, load
from sigma2r.trained.predictions import Predictions
from sigma2r.trained.rejection import rejector_file
from sigma2r.trained.rows import prediction_rows, write_rows
from sigma2r.trained.tally import Tally
from sigma2r.trained.writing import EMBEDDINGS, PREDICTIONS, refuse_out, write, writer_for

UNREAD = 3
"""The exit code where all was done, but some images could not be read."""

_SHOWN = 200  # rows of a table on a terminal


def use(verb: str, chosen: Namespace) -> int:
    """Do what the words of a verb that uses a trained run say.

    Returns:
        0, or :data:`UNREAD`.

    Raises:
        ValueError: In one sentence, if the run, the images or the file cannot be used; nothing is written then.
        ImportError: In one sentence, if a library for the file is missing.
        OSError: If it cannot be written.
    """
    if verb == "export":
        return export_run(chosen)
    if verb == "rejector":
        return _set_rejector(chosen)
    writers = EMBEDDINGS if verb == "embed" else PREDICTIONS
    writer = None if chosen.out is None else writer_for(verb, chosen.out, writers)
    trained = load(chosen.run, chosen.checkpoint, chosen.device, resize=chosen.resize, own_code=chosen.own_code)
    named = chosen.sources[0] if len(chosen.sources) == 1 else chosen.sources
    where: dict[str, Any] = {key: getattr(chosen, key) for key in ("split", "data_dir", "download")}
    source = trained.source(named, **where)
    if chosen.out is not None:
        refuse_out(chosen.out, trained, source, chosen.data_dir)
    tally = Tally()
    parts = tally.of(trained.stream(source, batch_size=chosen.batch_size, workers=chosen.workers))
    parts = with_progress(parts, len(source), chosen.progress)
    if writer is not None:
        write(chosen.out, writer, parts, trained, source)
        print(f"{_told(tally)}\n{'Features' if verb == 'embed' else 'Predictions'}: {chosen.out}")
    elif sys.stdout.isatty():
        _print_table(prediction_rows(parts, trained, source), tally)
    else:
        write_rows(sys.stdout, prediction_rows(parts, trained, source))
    if verb == "predict":
        _say_rejection(trained, to_file=chosen.out is not None)
    return _say_unread(tally)


def _set_rejector(chosen: Namespace) -> int:
    """Set the threshold of a run and tell what it promises."""
    settings = {key: value for key, value in vars(chosen).items() if key != "run"}
    path = rejector_file(chosen.run, chosen.checkpoint)
    replaces = ", in place of an older one" if path.exists() else ""
    trained = fit_rejector(chosen.run, **settings)
    _say_rejection(trained, to_file=True)
    print(f"Rejector: {path}{replaces}")
    return 0


def _say_rejection(trained: Trained, *, to_file: bool) -> None:
    """By what images were accepted: beside rows that are printed, where no program reads them."""
    if trained.rejector is not None:
        plain = to_file or sys.stdout.isatty()
        print(_visible(trained.rejector.describe()), file=sys.stdout if plain else sys.stderr)


def with_progress(parts: Iterable[Predictions], count: int, asked: bool | None) -> Iterator[Predictions]:
    """The same parts; how far they are is shown on standard error: a bar on a terminal, elsewhere a line each tenth."""
    is_terminal = sys.stderr.isatty()
    if not (is_terminal if asked is None else asked):
        yield from parts
    elif is_terminal:
        yield from _with_bar(parts, count)
    else:
        done = 0
        for part in parts:
            yield part
            before, done = done, done + len(part)
            if 10 * done // count > 10 * before // count:
                print(f"{done:,} of {count:,} images", file=sys.stderr)


def _with_bar(parts: Iterable[Predictions], count: int) -> Iterator[Predictions]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("images", total=count)
        for part in parts:
            yield part
            progress.advance(task, len(part))


def _told(tally: Tally) -> str:
    """How many images there were, and how many with a label were right."""
    images = f"{tally.images:,} image{'s' * (tally.images != 1)}"
    if tally.accepted is not None:
        images += f", {tally.accepted:,} accepted"
    if not tally.judged:
        return f"{images}."
    right = f"{tally.right / tally.judged:.4f}"
    of = "" if tally.judged == tally.images else f" of the {tally.judged:,} with a label that the run knows"
    return f"{images}; accuracy {right}{of}."


def _say_unread(tally: Tally) -> int:
    if not tally.unread:
        return 0
    told = f"{tally.unread:,} of {tally.images:,} images could not be read; their rows say why, as of the first"
    print(f"sigma2r: {told}: {_visible(tally.problems[0])}", file=sys.stderr)
    return UNREAD


def _visible(text: str) -> str:
    from sigma2r._text import visible

    return visible(text)


def _print_table(rows: Iterator[Sequence[str]], tally: Tally) -> None:
    """The first rows as a table, and of all others how many they are."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sigma2r.report.terminal import encodable

    console, names = Console(), list(next(rows))
    held = [list(row) for row in islice(rows, _SHOWN)]
    if not any(row[-1] for row in held):  # no problem to tell
        names, held = names[:-1], [row[:-1] for row in held]
    table = Table()
    for name in names:
        table.add_column(name, justify="right" if name in ("probability", "distance") else "left", overflow="fold")
    for row in held:
        table.add_row(*(Text(encodable(cell, console.encoding)) for cell in row))
    left = sum(1 for _ in rows)
    console.print(table)
    more = f" {left:,} more are not shown: --out predictions.csv keeps all." if left else ""
    console.print(_told(tally) + more, style="dim", highlight=False)
