"""Test images chosen from a data set that has none of its own: the same share of each class, by the images' names."""

import hashlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

TEST_FRACTION = 0.2
"""Share of each class that is test images where a data set has none, unless the run says otherwise."""


@dataclass(frozen=True)
class Chosen:
    """How test images were chosen.

    Args:
        fraction: Share of each class.
        seed: Decides which.
    """

    fraction: float
    seed: int


def choose_test(
    images: Mapping[str, Sequence[Path]], root: Path, how: Chosen, twins: Iterable[Sequence[Path]] = ()
) -> dict[str, set[Path]]:
    """The test images of each class: the nearest whole number to its share, at least one and never all.

    The images of a class are ordered by a hash of the seed and of their paths below ``root``, and the first are taken.
    So neither the place of the data set nor the order of its listing counts, other classes do not either, and most test
    images stay test images when some are added.

    Args:
        images: The files of each class, each once.
        root: What the paths are told from.
        how: Share and seed.
        twins: Names of one file (hard links), which are kept together: then shares may differ by so many.

    Returns:
        For each class its test images; none of a class of one image.

    Example:
        >>> paths = [Path("photos/cat") / f"{number}.jpg" for number in range(10)]
        >>> sorted(path.name for path in choose_test({"cat": paths}, Path("photos"), Chosen(0.2, seed=0))["cat"])
        ['5.jpg', '8.jpg']
    """
    first = {path: names[0] for names in twins for path in names}
    return {name: _of_class([(_key(first.get(p, p), root, how.seed), p) for p in paths], how.fraction)
            for name, paths in images.items()}  # fmt: skip


def _of_class(keyed: list[tuple[bytes, Path]], fraction: float) -> set[Path]:
    keyed = sorted(keyed)
    most = len(keyed) - 1
    count = max(math.floor(fraction * len(keyed) + 0.5), 1)
    while count <= most and keyed[count][0] == keyed[count - 1][0]:  # one file on both sides
        count += 1
    if count > most:  # something must train: the last one, under all of its names
        count = next(index for index, (key, _) in enumerate(keyed) if key == keyed[most][0])
    return {path for _, path in keyed[:count]}


def _key(path: Path, root: Path, seed: int) -> bytes:
    """A name in one Unicode form, for systems change it, and with one separator."""
    written = normalize("NFC", name_below(path, root).replace(os.sep, "/"))
    return hashlib.sha256(f"{seed}:{written}".encode(errors="surrogatepass")).digest()


def name_below(path: Path, folder: Path) -> str:
    """What a path is called from a folder on, wherever that lies.

    Example:
        >>> name_below(Path("photos/cat/1.jpg"), Path("photos"))
        'cat/1.jpg'
        >>> Path(name_below(Path("photos/cat/1.jpg"), Path("other"))).parts
        ('..', 'photos', 'cat', '1.jpg')
    """
    text, prefix = str(path), f"{folder}{os.sep}"
    if text.startswith(prefix) and os.pardir not in text:  # of a million paths nearly all
        return text.removeprefix(prefix)
    return os.path.relpath(path, folder)
