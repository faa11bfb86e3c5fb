"""What a study is: parts, each of runs that are held against one another; later parts may look at earlier records."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigma2r._suggest import unknown
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run

Scale = str
"""How much of a study is trained: one of the keys of its settings."""

Done = Mapping[str, Record]
"""Finished records by :attr:`Run.run_id`."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Runs that are compared.

    Args:
        name: A file name: ``equal-weight``.
        title: A heading.
        text: What is compared, and in what it departs from its source.
        runs: What to train, each loss with several first weights.
        baseline: The loss that the others are compared with, as :attr:`Run.loss_name` spells it; default: the first.
        shown: Whether the report shows a table; the runs by which a weight is chosen get a table of their own.
        followed_by: Runs that take as long as those that will follow, with weights that are not known yet.

    Raises:
        ValueError: If the name is no file name, or there is no run.
    """

    name: str
    title: str
    text: str
    runs: tuple[Run, ...]
    baseline: str | None = None
    shown: bool = True
    followed_by: tuple[Run, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no report could be written of."""
        _check_name("Part", self.name)
        object.__setattr__(self, "runs", tuple(self.runs))
        if not self.runs or not all(isinstance(run, Run) for run in self.runs):
            raise ValueError(
                f"Part: runs of {self.name} must be sigma2r.studies.run.Run, at least one; got {self.runs}."
            )


Extras = Callable[[Part, Sequence[Record]], Iterable[Any]]


def no_extras(part: Part, records: Sequence[Record]) -> Iterable[Any]:
    """What most studies show beside the tables that all have: nothing."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question as runs, such as a table of a paper.

    Args:
        name: A file name, and what a user types: ``table-1``.
        title: What it shows.
        source: Where it comes from.
        parts: Yields the parts that can be told from the records so far, in order; called again until none is new.
        settings: What is trained at each scale, by the names of the scales that a user types; the first is the default.
        figures: The figures that its report shows of each part: features, growth, learning, classes.
        extras: Tables (:class:`sigma2r.report.grid.Grid`) and pictures (:class:`sigma2r.report.figures.Picture`) of its
            own for a part and its records, beside those that every study has; their names are used once in a study.
        caveats: What stands beside each verdict that rests on a scale.
        reference: What finds the study again; default its name. Empty for one that is made on the fly: its folder then
            does not say of which study it is.

    Raises:
        ValueError: If the name is no file name, or there is no scale.
    """

    name: str
    title: str
    source: str
    parts: Callable[[Scale, Done], Iterator[Part]]
    settings: Mapping[Scale, str]
    figures: tuple[str, ...] = ()
    extras: Extras = no_extras
    caveats: Mapping[Scale, str] = field(default_factory=dict)
    reference: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be trained or kept."""
        _check_name("Study", self.name)
        if not self.settings:
            raise ValueError(f"Study: settings of {self.name} must tell of at least one scale; there is none.")
        if self.reference is None:
            object.__setattr__(self, "reference", self.name)

    def scale(self, wanted: Scale | None) -> Scale:
        """The scale that a user names, or the first.

        Raises:
            ValueError: If the study has no such scale.
        """
        if wanted is None:
            return next(iter(self.settings))
        if wanted not in self.settings:
            raise unknown(f"scale of {self.name}", wanted, self.settings)
        return wanted

    def runs(self, scale: Scale, done: Done) -> list[Run]:
        """All runs that are known by now, each once, in order."""
        return list({run.run_id: run for part in self.parts(scale, done) for run in part.runs}.values())

    def missing(self, scale: Scale, done: Done) -> list[Run]:
        """Runs that have no record yet, and as many as will follow once weights are chosen: what lies ahead."""
        known = [run for run in self.runs(scale, done) if run.run_id not in done]
        return known + [run for part in self.parts(scale, done) for run in part.followed_by]


def _check_name(who: str, name: str) -> None:
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise ValueError(f"{who}: name must be a file name of letters, digits, . + - and _; got {name!r}.")
