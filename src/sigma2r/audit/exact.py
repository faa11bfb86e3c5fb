"""Images whose pixels are the same, and images that belong together in pairs, as groups.

Axes: N images, P pairs.
"""

import hashlib
from collections.abc import Iterable, Sequence

from jaxtyping import UInt8
from torch import Tensor


def pixel_digests(images: UInt8[Tensor, "N ch H W"]) -> list[bytes]:
    """16 bytes for each image, which those with the very same pixels share and, to all odds, no others.

    Args:
        images: Shape ``(N, ch, H, W)``, uint8, as the network sees them: files of one picture in other formats without
            loss, or under other names, have the same pixels.

    Source: BLAKE2b, RFC 7693.
    """
    rows = images.cpu().contiguous().flatten(1).numpy()
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]


def same(digests: Sequence[bytes]) -> list[tuple[int, int]]:
    """Pairs of positions with the same digest: each with the first that has it.

    Example:
        >>> same([b"x", b"y", b"x", b"x"])
        [(0, 2), (0, 3)]
    """
    first: dict[bytes, int] = {}
    return [(first[each], place) for place, each in enumerate(digests) if first.setdefault(each, place) != place]


def grouped(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The groups that pairs make, one after another's first: what is in a pair with one of a group is of the group.

    Example:
        >>> grouped([(4, 1), (7, 8), (1, 9)])
        [[1, 4, 9], [7, 8]]
    """
    above: dict[int, int] = {}

    def top(place: int) -> int:
        above.setdefault(place, place)
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    for one, other in pairs:
        low, high = sorted((top(one), top(other)))
        above[high] = low
    groups: dict[int, list[int]] = {}
    for place in sorted(above):
        groups.setdefault(top(place), []).append(place)
    return list(groups.values())
