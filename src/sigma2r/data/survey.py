"""What is known of a folder's images before they are decoded: channels, size, and what 8 bits and one frame lose."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sigma2r.data.formats import opened
from sigma2r.data.names import shown
from sigma2r.data.pixels import (
    WIDE,
    PixelRange,
    as_seen,
    has_more_frames,
    is_gray,
    turn_upright,
    wide_values,
)
from sigma2r.data.threads import mapped


@dataclass(frozen=True)
class Firsts:
    """The first image of each class of train, which speak for all where asking all would cost too much.

    Args:
        root: The folder of the data set.
        paths: The images.
        wide: The first of them that has more than 8 bits.
        paged: The first of them that has several frames or pages.
    """

    root: Path
    paths: tuple[Path, ...]
    wide: Path | None
    paged: Path | None

    @classmethod
    def of(cls, root: Path, paths: Sequence[Path]) -> "Firsts":
        """Look at their headers."""
        wide = paged = None
        for path in paths:
            with opened(path, shown(path)) as image:
                wide = wide or (path if image.mode in WIDE else None)
                paged = paged or (path if has_more_frames(image) else None)
        return cls(root, tuple(paths), wide, paged)

    def check_range(self, pixel_range: PixelRange | None) -> None:
        """Refuse a range that nothing needs, and images that need one.

        Raises:
            ValueError: Saying which.
        """
        if pixel_range is not None and self.wide is None:
            raise ValueError(
                "folder: pixel_range is for gray images of more than 8 bits or of floats; the first images of "
                f"{shown(self.root)} are not such (Pillow reads colours of 16 bits as their 8 highest). Leave it out."
            )
        if self.wide is not None:
            with opened(self.wide, shown(self.wide)) as image:
                as_seen(image, shown(self.wide), gray=True, pixel_range=pixel_range)

    def say_what_is_lost(self, pixel_range: PixelRange | None) -> None:
        """Warn where the 8 highest bits are taken, and where only the first frame is."""
        if self.wide is not None and pixel_range is None:
            with opened(self.wide, shown(self.wide)) as image:
                values = wide_values(image)
            warnings.warn(
                f"folder: {shown(self.root)} has images of more than 8 bits, of which the 8 highest are kept; "
                f"{self._below(self.wide)} goes from {values.min().item():,} to {values.max().item():,}. "
                '--pixel_range "[LOW, HIGH]" chooses what becomes black and white.',
                stacklevel=3,
            )
        if self.paged is not None:
            warnings.warn(
                f"folder: {shown(self.root)} has images of several frames or pages, of which the first is used: "
                f"{self._below(self.paged)}.",
                stacklevel=3,
            )

    def size(self) -> tuple[int, int]:
        """Their height and width.

        Raises:
            ValueError: If they are not square and of one size.
        """
        sizes = set()
        for path in self.paths:
            with opened(path, shown(path)) as image:
                image.load()
                turn_upright(image)
                sizes.add(image.size)
        width, height = next(iter(sizes))
        if len(sizes) > 1 or width != height:
            raise ValueError(
                f"folder: images of {shown(self.root)} must be square and of one size, or --image-size must say what "
                f"to scale them to; got {', '.join(f'{w} x {h}' for w, h in sorted(sizes)[:4])}. Try --image-size 32."
            )
        return height, width

    def _below(self, path: Path) -> str:
        return shown(path.relative_to(self.root))


def are_gray(paths: Iterable[Path]) -> bool:
    """Whether no image has colours; their headers are read until one has.

    Raises:
        ValueError: If one that is looked at is no image, naming it.
    """
    return all(mapped(_has_no_colours, paths))


def _has_no_colours(path: Path) -> bool:
    with opened(path, shown(path)) as image:
        return is_gray(image)
