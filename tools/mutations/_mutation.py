"""A change of the source that some test must notice."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Mutation:
    """A change of one place of the source.

    Args:
        file: Below ``src/sigma2r``.
        what: What is wrong with it then.
        old: Text that occurs once in the file.
        new: What takes its place.
    """

    file: str
    what: str
    old: str
    new: str

    def apply(self, source: str) -> str:
        """The changed source.

        Raises:
            ValueError: If the text does not occur exactly once.
        """
        if source.count(self.old) != 1:
            raise ValueError(f"mutations: {self.file} must hold {self.old!r} once; it does {source.count(self.old)}.")
        return source.replace(self.old, self.new)


def of(file: str, *changes: tuple[str, str, str]) -> list[Mutation]:
    return [Mutation(file, *change) for change in changes]
