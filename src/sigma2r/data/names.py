"""Which names count as images, and what is said of the others: for folders and for packed trees alike."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sigma2r._text import visible

# Beside every name that begins with a dot. Lower case.
SYSTEM_NAMES = frozenset(
    {
        "thumbs", "thumbs.db", "thumbnails", "desktop.ini", "$recycle.bin", "system volume information",  # Windows
        "__macosx", "network trash folder", "temporary items", "icon\r",  # macOS
        "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "~snapshot",  # network storage
        "lost+found", "__pycache__",
    }
)  # fmt: skip
_HIDDEN = "hidden or of the system"
OUTSIDE = "outside the class folders"
_ENDING = "no ending of an image that Pillow reads"
NO_FILE = "links that lead nowhere, pipes or devices"
TWICE = "folders that are read already under another name"


def is_hidden(name: str) -> bool:
    """Whether a file or folder belongs to the system or to a program, and is no image or class of the user's.

    Example:
        >>> [is_hidden(name) for name in ("._x.png", "@eaDir", "Thumbs.db", "cat")]
        [True, True, True, False]
    """
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def ending(name: str) -> str:
    """What follows the last dot of a file's name, with it, in lower case."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def shown(path: Path | str) -> str:
    """A path as a message shows it: bytes that are no text, and characters that steer a terminal, spelled out."""
    return visible(str(path))


def check_class_names(names: Iterable[str], where: str) -> None:
    """Refuse a name that no record or report could hold.

    Raises:
        ValueError: If one is not UTF-8.
    """
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"folder: names of classes must be UTF-8; {os.fsencode(name)!r} of {shown(where)} is not. Rename it "
                "(convmv does so for a whole tree)."
            ) from None


class RefusedError(ValueError):
    """A refusal in a sentence of ours, which names the file already: nothing is wrapped around it."""


@dataclass
class PassedOver:
    """What is not trained on: for each reason how many files and folders, and a few of their names."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, example: str) -> None:
        """Count one."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        known = self.examples.setdefault(reason, [])
        if len(known) < 3 and example not in known:
            known.append(example)

    def hide(self, name: str) -> None:
        """Count a file or folder of the system."""
        self.add(_HIDDEN, name)

    def end(self, name: str) -> None:
        """Count a file that is no image."""
        self.add(_ENDING, ending(name) or name)

    def __str__(self) -> str:
        listed = (
            f"{reason}: {count:,} ({', '.join(map(shown, self.examples[reason]))})"
            for reason, count in self.counts.items()
        )
        return "; ".join(listed)

    def say(self, where: str) -> None:
        """One warning for all of them, if there are any."""
        if self.counts:
            total = sum(self.counts.values())
            names = "name was" if total == 1 else "names were"
            warnings.warn(f"{where}: {total:,} {names} passed over - {self}.", stacklevel=3)
