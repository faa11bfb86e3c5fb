"""Which names count as images, and what is said of the others: for folders and for packed trees alike."""

import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sigma2r._text import is_whole, visible

# Lower case: capitals do not count.
SYSTEM_NAMES = frozenset(
    {
        "thumbs", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "thumbnails", "desktop.ini", "recycler",  # Windows
        "system volume information", "msocache", "config.msi", "msdownld.tmp",
        "__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder", "thefindbycontentfolder",
        "resource.frk", "finder.dat", "desktop db", "desktop df", "appleshare pds", "icon\r", "icon\uf00d",  # macOS
        "@eadir", "@tmp", "@sharebin", "@recycle", "@recently-snapshot", "@snapshot", "@snapshots", "@sharesnap",
        "@appconf", "@appdata", "@apphome", "@appshare", "@appstore", "@apptemp", "@autoupdate", "@clamav",
        "@cloudstation", "@cloudsync", "@database", "@docker", "@download", "@img_bkp_cache", "@iscsi", "@quarantine",
        "@s2s", "@transcode", "@usbcopy", "@userpreference", "#recycle", "#snapshot",  # network storage
        "lost+found", "lost.dir", "__pycache__", "_gsdata_",
    }
)  # fmt: skip
_SYSTEM_PATTERN = re.compile(
    r"\..*"  # hidden on all systems but Windows; a network drive of a Mac writes the dot as :2e
    r"|:2e.*"
    r"|[$~][a-z].*|~\$.*"  # $RECYCLE.BIN, $Extend and all that Windows keeps; ~tmp, ~snapshot; Office's locks, ~$x.png
    r"|found\.\d{3}"  # what chkdsk finds
    r"|[_@]+thumb(s|nails?)?"
    r"|@(syno|__|gmt-).*|.+@syno(eastream|resource)"
    r"|network recycle bin( \d+)?"
    r"|_vti_.*",  # FrontPage keeps a text of the same name for each image there
    re.IGNORECASE | re.DOTALL,
)
_IN_CAPITALS = frozenset({"RECYCLED"})  # of FAT; in small letters it is a class of waste
_HIDDEN = "hidden or of the system"
OUTSIDE = "outside the class folders"
_ENDING = "no ending of an image that Pillow reads"
NO_FILE = "links that lead nowhere, pipes or devices"
TWICE = "folders that are read already under another name"
CIRCLES = "links that lead in a circle"
CLOSED = "folders that cannot be read"
TWINS = "links to images that are there already"
_BESIDE = "beside the classes, "
_EXAMPLES, _EXAMPLES_BESIDE = 3, 20  # a class that is missed is looked for by its name


def is_hidden(name: str) -> bool:
    """Whether a file or folder belongs to the system or to a program, and is no image or class of the user's.

    A single sign is a class, of a set of letters: ``@``, ``$``, ``~``; so are ``$5`` and ``@home``.

    Example:
        >>> [is_hidden(name) for name in ("._x.png", "@eaDir", "Thumbs.db", "found.000", "cat", "$5")]
        [True, True, True, True, False, False]
    """
    return name in _IN_CAPITALS or name.lower() in SYSTEM_NAMES or _SYSTEM_PATTERN.fullmatch(name) is not None


def ending(name: str) -> str:
    """What follows the last dot of a file's name, with it, in lower case."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def shown(path: Path | str) -> str:
    """A path as a message shows it: bytes that are no text, and characters that steer a terminal, spelled out."""
    return visible(str(path))


def below(path: Path, folder: Path) -> str:
    """A path as a message shows it that names the folder: from there on, if it lies below."""
    return shown(path.relative_to(folder) if path.is_relative_to(folder) else path)


def check_class_names(names: Iterable[str], where: str) -> None:
    """Refuse a name that no record or report could hold.

    Raises:
        ValueError: If one is not UTF-8.
    """
    for name in names:
        if not is_whole(name):
            raise ValueError(
                f"folder: names of classes must be UTF-8; {os.fsencode(name)!r} of {shown(where)} is not. Rename it "
                "(convmv does so for a whole tree)."
            )


class RefusedError(ValueError):
    """A refusal in a sentence of ours, which names the file already: nothing is wrapped around it.

    A DataLoader builds an error of a worker anew, with the worker's whole traceback for its text: of that the sentence
    at its end is kept.

    Args:
        sentence: What is refused, and the remedy.
    """

    def __init__(self, sentence: str) -> None:
        own = f"\n{type(self).__module__}.{type(self).__qualname__}: "
        is_of_a_worker = sentence.startswith(f"Caught {type(self).__name__} in ")
        super().__init__(sentence.rpartition(own)[2].rstrip("\n") if is_of_a_worker else sentence)


@dataclass
class PassedOver:
    """What is not trained on: for each reason how many files and folders, and a few of their names."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, example: str, *, for_a_class: bool = False) -> None:
        """Count one; what may have been meant for a class is counted apart, and named."""
        reason = _BESIDE * for_a_class + reason
        self.counts[reason] = self.counts.get(reason, 0) + 1
        known = self.examples.setdefault(reason, [])
        if len(known) < (_EXAMPLES_BESIDE if for_a_class else _EXAMPLES) and example not in known:
            known.append(example)

    def hide(self, name: str, *, for_a_class: bool = False) -> None:
        """Count a file or folder of the system."""
        self.add(_HIDDEN, name, for_a_class=for_a_class)

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
