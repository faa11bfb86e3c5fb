"""Predictions as rows of text: for a file, a pipe or a terminal."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from torch import Tensor

from sigma2r._csv import csv_line
from sigma2r.trained.predictions import NONE_OF_THESE, Predictions
from sigma2r.trained.sources import Source
from sigma2r.trained.trained import Trained


def write_csv(file: IO[bytes], parts: Iterable[Predictions], trained: Trained, source: Source) -> None:
    """The rows of :func:`prediction_rows` in UTF-8; bytes of a path that are no UTF-8 stay as they are.

    Args:
        file: Open for writing.
        parts: All rows of the source, in their order.
        trained: Who predicts.
        source: Where they come from.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    write_rows(text, prediction_rows(parts, trained, source))
    text.detach()


def write_rows(file: Any, rows: Iterable[Sequence[str]]) -> None:
    """Rows as comma-separated values."""
    file.writelines(map(csv_line, rows))


def headings(trained: Trained, source: Source) -> list[str]:
    """The columns of :func:`prediction_rows`: ``label``, ``distance`` and ``accepted`` where there are some."""
    there = {
        "path": True,
        "label": source.labels is not None,
        "class": True,
        "probability": True,
        "distance": trained.centers is not None,
        "accepted": trained.rejector is not None,
        "problem": True,
    }
    return [name for name, is_there in there.items() if is_there]


def prediction_rows(parts: Iterable[Predictions], trained: Trained, source: Source) -> Iterator[list[str]]:
    """The headings, and a row for each image: of one that could not be read, its path and the problem alone.

    Numbers have the seven digits that float32 holds; a class that was added has no probability. ``accepted`` is ``yes``
    or ``none of these``.
    """
    names = headings(trained, source)
    yield names
    for part in parts:
        columns = {
            "path": list(part.names),
            "label": [name or "" for name in part.given or ()],
            "class": [name or "" for name in part.classes],
            "probability": ["" if value != value else f"{value:.7g}" for value in part.probability.tolist()],
            "distance": [f"{value:.7g}" for value in _listed(part.distance)],
            "accepted": ["yes" if yes else NONE_OF_THESE for yes in _listed(part.accepted)],
            "problem": [part.problems.get(row, "") for row in range(len(part))],
        }
        for row in range(len(part)):
            kept = ("path", "label", "problem") if row in part.problems else names
            yield [columns[name][row] if name in kept else "" for name in names]


def _listed(values: Tensor | None) -> list[Any]:
    return [] if values is None else values.tolist()
