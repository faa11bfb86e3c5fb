"""What a study is: parts, each of runs that are held against one another; later parts may look at earlier records."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sigma2r.studies.record import Record
from sigma2r.studies.run import Run

Scale = Literal["desk", "paper"]
SCALES: tuple[Scale, ...] = ("desk", "paper")

Done = Mapping[str, Record]
"""Finished records by :attr:`Run.run_id`."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Runs that are compared.

    Args:
        name: A file name: ``equal-weight``.
        title: A heading.
        text: What is compared, and in what it departs from the paper.
        runs: What to train, each loss with several first weights.
        baseline: The loss that the others are compared with, as :attr:`Run.loss_name` spells it; default: the first.
        shown: Whether the report shows a table; the runs by which a weight is chosen get a table of their own.
        followed_by: Runs that take as long as those that will follow, with weights that are not known yet.
    """

    name: str
    title: str
    text: str
    runs: tuple[Run, ...]
    baseline: str | None = None
    shown: bool = True
    followed_by: tuple[Run, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """A table or figure of the paper, or a question beside it, as runs.

    Args:
        name: What a user types: ``table-1``.
        title: What it shows.
        source: Where the paper shows it.
        parts: Yields the parts that can be told from the records so far, in order; called again until none is new.
        settings: What is trained at each scale, and what is less than in the paper.
        figures: The figures that its report shows of each part: features, growth, learning, classes.
    """

    name: str
    title: str
    source: str
    parts: Callable[[Scale, Done], Iterator[Part]]
    settings: Mapping[Scale, str]
    figures: tuple[str, ...] = ()

    def runs(self, scale: Scale, done: Done) -> list[Run]:
        """All runs that are known by now, each once, in order."""
        return list({run.run_id: run for part in self.parts(scale, done) for run in part.runs}.values())

    def missing(self, scale: Scale, done: Done) -> list[Run]:
        """Runs that have no record yet, and as many as will follow once weights are chosen: what lies ahead."""
        known = [run for run in self.runs(scale, done) if run.run_id not in done]
        return known + [run for part in self.parts(scale, done) for run in part.followed_by]
