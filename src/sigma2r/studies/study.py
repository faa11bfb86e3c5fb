"""What a study is: parts, each of runs that are held against one another; later parts may look at earlier records."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sigma2r._call import broken
from sigma2r._resolve import looking_beside
from sigma2r._shown import shown
from sigma2r._suggest import unknown
from sigma2r._values import converted, refusal
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
        runs: What to train, each loss with several first weights; each run once.
        baseline: The loss that the others are compared with, as :attr:`Run.loss_name` spells it; default: the first.
        trials: Whether these are the runs by which a weight is chosen, which a report shows by their figures on images
            set aside and in no other way.
        remarks: What a report says of a loss behind its trials, by :attr:`Run.loss_name`.
        followed_by: Runs that take as long as those that will follow, with weights that are not known yet.

    Raises:
        ValueError: If the name is no file name, there is no run, one is there twice, none is of the baseline, or a
            value is of another kind.
    """

    name: str
    title: str
    text: str
    runs: tuple[Run, ...]
    baseline: str | None = None
    trials: bool = False
    remarks: Mapping[str, str] = field(default_factory=dict)
    followed_by: tuple[Run, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no report could be written of."""
        _check_name("Part", self.name)
        _convert(self, {"title": str, "text": str, "baseline": str | None, "trials": bool})
        _convert(self, {"runs": tuple[Run, ...], "followed_by": tuple[Run, ...]})
        _convert(self, {"remarks": dict[str, str]})
        if not self.runs:
            raise ValueError(f"Part: runs of {self.name} must be at least one; got none.")
        ids = [run.run_id for run in self.runs]
        if twice := [run for run in self.runs if ids.count(run.run_id) > 1]:
            raise ValueError(
                f"Part: runs of {self.name} must differ; {twice[0].loss_name}, init_seed {twice[0].init_seed}, is "
                "there twice. Another seed is a run with another init_seed."
            )
        losses = list(dict.fromkeys(run.loss_name for run in self.runs))
        if self.baseline is not None and self.baseline not in losses:
            raise unknown(f"baseline of {self.name}", self.baseline, losses)


FIGURES = ("features", "growth", "learning", "classes")
"""The figures that a report can draw of a part."""

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
        folder: Of its file, where it was found by the path of one: what its runs name is looked for there before all
            else.

    Raises:
        ValueError: If the name is no file name, there is no scale, or a value is of another kind.
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
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be trained or kept."""
        _check_name("Study", self.name)
        if self.name == "runs":
            raise ValueError("Study: name must not be runs: the folders of runs lie there.")
        _convert(self, {"title": str, "source": str, "reference": str | None})
        _convert(self, {"figures": tuple[str, ...], "caveats": dict[str, str]})
        for what, taken in (("parts", "a scale and the records so far"), ("extras", "a part and its records")):
            if not callable(getattr(self, what)):
                raise refusal("Study", f"{what} of {self.name}", f"be a function of {taken}", getattr(self, what))
        if not isinstance(self.settings, Mapping) or not self.settings:
            raise ValueError(f"Study: settings of {self.name} must be a text for each scale, at least one.")
        _convert(self, {"settings": dict[str, str]})
        for name in self.figures:
            if name not in FIGURES:
                raise unknown(f"figure of {self.name}", name, FIGURES)
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
        return list({run.run_id: run for part in self.known_parts(scale, done) for run in part.runs}.values())

    def known_parts(self, scale: Scale, done: Done) -> list[Part]:
        """The parts that can be told by now.

        Raises:
            ValueError: If what yields them raises, yields nothing or something else, or two have one name or one title.
        """
        try:
            with looking_beside(self.folder):
                parts = list(self.parts(scale, done))
        except ValueError:
            raise
        except Exception as error:  # whatever the code of a user raises
            raise broken(f"Study: parts of {self.name}", error) from error
        if not parts:
            raise ValueError(
                f"Study: parts of {self.name} must yield at least one Part(...) each time they are called; got none. "
                "A generator that was made once yields its parts once."
            )
        for part in parts:
            if not isinstance(part, Part):
                raise ValueError(f"Study: parts of {self.name} must yield Part(...); got {shown(part)}.")
        for what, told in (("name", [part.name for part in parts]), ("title", [part.title for part in parts])):
            twice = [each for each in told if told.count(each) > 1]
            if twice:
                raise ValueError(
                    f"Study: each part of {self.name} must have its own {what}; {twice[0]!r} is there twice."
                )
        return parts

    def missing(self, scale: Scale, done: Done) -> list[Run]:
        """Runs that have no record yet, and as many as will follow once weights are chosen: what lies ahead."""
        known = [run for run in self.runs(scale, done) if run.run_id not in done]
        return known + [run for part in self.known_parts(scale, done) for run in part.followed_by]


def _check_name(who: str, name: str) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.+-]*", name):
        raise ValueError(f"{who}: name must be a file name of letters, digits, . + - and _; got {name!r}.")


def _convert(described: Part | Study, wanted: Mapping[str, Any]) -> None:
    """Give fields the values that annotations want, or refuse them; what can be read once alone is read here."""
    for name, annotation in wanted.items():
        value = getattr(described, name)
        value = tuple(value) if isinstance(value, Iterator) else value
        object.__setattr__(described, name, converted(type(described).__name__, name, annotation, value))
