"""What is counted while rows pass by: how many, how many of them could not be read, how many are right."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sigma2r.trained.predictions import NO_CLASS, Predictions


@dataclass
class Tally:
    """What is counted while rows pass.

    Args:
        images: All.
        unread: Those that could not be read.
        judged: Those that could, with a label that the run knows.
        right: Those of them that were predicted so.
        accepted: Those that the run's rejector accepts; None without one.
        problems: Why the first few could not be read.
    """

    images: int = 0
    unread: int = 0
    judged: int = 0
    right: int = 0
    accepted: int | None = None
    problems: list[str] = field(default_factory=list)

    def of(self, parts: Iterable[Predictions]) -> Iterator[Predictions]:
        """The same parts, counted."""
        for part in parts:
            judged = (part.targets != NO_CLASS) & (part.labels != NO_CLASS)
            self.images += len(part)
            self.unread += len(part.problems)
            self.judged += int(judged.sum())
            self.right += int((part.targets == part.labels)[judged].sum())
            if part.accepted is not None:
                self.accepted = (self.accepted or 0) + int(part.accepted.sum())
            self.problems += list(part.problems.values())[: 3 - len(self.problems)]
            yield part
