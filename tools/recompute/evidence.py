"""All that records say, put together once: the parts of every study, and how many comparisons the page makes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tools.recompute.claims import CLAIMS, Question
from tools.recompute.records import Record, Shelf
from tools.recompute.rows import Comparison, Rows, compare, comparisons, named
from tools.recompute.studies import STUDIES, Part, parts

SCALE = "desk"


@dataclass(frozen=True)
class Filled:
    """A part with its records.

    Args:
        part: What it is of.
        rows: Records of runs that ended, by row.
        diverged: Records of those that did not.
    """

    part: Part
    rows: Rows
    diverged: tuple[Record, ...]

    @property
    def missing(self) -> int:
        """Runs that have no record."""
        return self.part.asked - sum(map(len, self.rows.values())) - len(self.diverged)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """What its table of differences compares; nothing in a search."""
        return [] if self.part.searches else list(comparisons(self.rows, self.part.baseline))


def _filled(part: Part, shelf: Shelf) -> Filled:
    records = part.records(shelf)
    ended = [record for record in records if record.diverged is None]
    return Filled(part, named(ended), tuple(record for record in records if record.diverged is not None))


class Evidence:
    """What the records of a shelf say.

    Args:
        shelf: The records.

    Raises:
        ValueError: If a study is not known here, or has another scale.
    """

    def __init__(self, shelf: Shelf) -> None:
        for name, scale in shelf.studies.items():
            if name not in STUDIES or scale != SCALE:
                raise ValueError(f"recompute: {name} at the scale {scale} is not known here.")
        self.shelf = shelf
        self.parts = {
            name: [_filled(part, shelf) for part in parts(study, shelf)]
            for name, study in STUDIES.items()
            if name in shelf.studies
        }

    def rows(self, study: str, part: str) -> Rows:
        """The rows of a part; none where it is not known yet."""
        return next((each.rows for each in self.parts.get(study, ()) if each.part.name == part), {})

    def lost(self, study: str, part: str) -> tuple[Record, ...]:
        """Records of runs of a part that diverged."""
        return next((each.diverged for each in self.parts.get(study, ()) if each.part.name == part), ())

    def row(self, study: str, part: str, loss: str) -> list[Record]:
        """The records of a loss: as it is spelled, or without its weight, if that is one row."""
        rows = self.rows(study, part)
        if loss in rows:
            return list(rows[loss])
        alike = [list(records) for records in rows.values() if _without_weight(records[0].loss) == loss]
        return alike[0] if len(alike) == 1 else []

    def answer(self, question: Question) -> Comparison | None:
        """The comparison that a question asks for; None where fewer than two seeds have both."""
        sides = tuple(self.row(question.study, question.part, loss) for loss in (question.new, question.old))
        found = compare(question.new, question.old, question.figure, (sides[0], sides[1]))
        return found if len(found.differences) > 1 else None

    @cached_property
    def family(self) -> int:
        """How many different comparisons the page makes: in tables, and for what the paper asserts."""
        return len({comparison.identity for comparison in self._all()})

    def _all(self) -> Iterator[Comparison]:
        for filled in (each for several in self.parts.values() for each in several):
            yield from filled.comparisons
        for claim in CLAIMS:
            yield from (found for question in claim.questions if (found := self.answer(question)))


def _without_weight(loss: str) -> str:
    name, _, rest = loss.partition("@")
    return name + rest[rest.index("[") :] if "[" in rest else name
