"""What stands in the documents to be run: blocks of Python, and commands."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(
    r"^```(?P<language>python|console|sh)\n(?P<code>.*?)^```|^<!-- picture (?P<words>[^>]+) -->",
    flags=re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Step:
    """Something that a page shows, in its place.

    Args:
        kind: A block of Python, a line for a shell, or a picture that is to be made there.
        text: The block, the line without its prompt, or the words that say what the picture is of.
    """

    kind: Literal["python", "command", "picture"]
    text: str


def steps(page: Path) -> Iterator[Step]:
    """All that a page shows to be run, from top to bottom."""
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["words"] is not None:
            yield Step("picture", block["words"])
        elif block["language"] == "python":
            yield Step("python", block["code"])
        else:
            lines = block["code"].replace("\\\n", " ").splitlines()
            yield from (Step("command", line.removeprefix("$ ")) for line in lines if line.strip())


def commands(page: Path) -> list[str]:
    """The calls of the command line that a page shows."""
    return [step.text for step in steps(page) if step.kind == "command" and step.text.startswith("sigma2r ")]


def words_of(command: str, folder: Path) -> list[str]:
    """The words of a call behind the program's name, as a shell in that folder would give them.

    Comments, and where the output goes, are left out; a pattern becomes the names that it stands for.
    """
    words = shlex.split(command.partition(" > ")[0], comments=True)[1:]
    return [name for word in words for name in _names(word, folder) or [word]]


def _names(word: str, folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in sorted(folder.glob(word))] if "*" in word else []
