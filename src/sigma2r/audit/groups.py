"""Duplicates as groups, and what each of them means: a leak between splits, or two labels for one image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sigma2r.audit.exact import grouped, pixel_digests, same
from sigma2r.audit.images import Images
from sigma2r.audit.near import near_pairs, near_within, signatures


@dataclass(frozen=True, kw_only=True)
class Group:
    """Images that are the same, or nearly.

    Args:
        rows: Positions, increasing.
        exact: Whether all have the very same pixels.
        distance: The largest distance of a pair that was found near; 0 where all are the same.
        splits: The splits that they are of, in the order of the images.
        classes: Their given classes, in that order.
    """

    rows: tuple[int, ...]
    exact: bool
    distance: float
    splits: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def is_leak(self) -> bool:
        """Whether an image is in two splits: what is trained on would be tested on."""
        return len(self.splits) > 1

    @property
    def contradicts(self) -> bool:
        """Whether one image has two classes, of which one is wrong."""
        return len(self.classes) > 1


def duplicate_groups(images: Images, near: float) -> list[Group]:
    """All groups of images that are the same or nearly: leaks first, exact before near, contradictions before others.

    Args:
        images: All splits.
        near: See :func:`~sigma2r.audit.near.near_within`.
    """
    digests: list[bytes] = []
    small: list[torch.Tensor] = []
    for pixels in images.batches():
        digests += pixel_digests(pixels)
        small.append(signatures(pixels))
    pairs = same(digests)
    whole = torch.cat(small)
    repeats = {later for _, later in pairs}
    once = torch.tensor([row not in repeats for row in range(len(images))])  # one of each stands for all
    found, apart = near_pairs(whole * once.unsqueeze(1), near_within(whole, near))
    near_by = list(map(tuple, found.tolist()))
    distances = dict(zip(near_by, apart.tolist(), strict=True))
    groups = grouped([*pairs, *near_by])
    of_row = {row: number for number, rows in enumerate(groups) for row in rows}
    largest = dict.fromkeys(range(len(groups)), 0.0)
    for (one, _), distance in distances.items():
        largest[of_row[one]] = max(largest[of_row[one]], distance)
    made = [_group(images, digests, rows, largest[number]) for number, rows in enumerate(groups)]
    return sorted(made, key=lambda group: (not group.is_leak, not group.contradicts, not group.exact, group.distance))


def _group(images: Images, digests: Sequence[bytes], rows: Sequence[int], distance: float) -> Group:
    return Group(
        rows=tuple(rows),
        exact=len({digests[row] for row in rows}) == 1,
        distance=distance,
        splits=tuple(dict.fromkeys(images.splits[row] for row in rows)),
        classes=tuple(dict.fromkeys(name for row in rows if (name := images.label(row)))),
    )
