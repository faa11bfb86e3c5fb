"""What is known of a folder's images before they are decoded: channels, size, and what 8 bits and one frame lose."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sigma2r.data._statuses import Statuses, is_settled
from sigma2r.data.formats import opened
from sigma2r.data.names import below, shown
from sigma2r.data.pixels import (
    EIGHT_BITS,
    SIXTEEN_BITS,
    PixelRange,
    as_seen,
    depth,
    has_more_frames,
    is_cut_to_8_bits,
    is_gray,
    turn_upright,
    wide_values,
)
from sigma2r.data.threads import mapped

MOST_USUAL_SIDE = 224
"""Pixels a side that the networks of the field are made for."""


@dataclass(frozen=True)
class Survey:
    """What the headers of all images of a folder tell, and the first image of each class of train.

    Args:
        root: The folder of the data set.
        firsts: The first images, whose size is that of all.
        gray: Whether no image has colours.
        depths: The first image of each kind of values, by :func:`~sigma2r.data.pixels.depth`.
        paged: The first image that has several frames or pages.
        cut: The first image of 16 bits of which Pillow gives 8.
        shorter: How many images have a shorter side of so many pixels.
    """

    root: Path
    firsts: tuple[Path, ...]
    gray: bool
    depths: dict[str, Path]
    paged: Path | None
    cut: Path | None
    shorter: Counter[int]

    @classmethod
    def of(cls, root: Path, firsts: Sequence[Path], paths: Sequence[Path], known: Statuses) -> "Survey":
        """Read the headers of ``paths``, which are all images of both splits: any may differ from the first.

        The headers of the last folder are not read again while its files stay as ``known``, for its other split.

        Raises:
            ValueError: If one is no image, naming it.
        """
        if (root, known.state) not in _last:
            survey = cls._read(root, firsts, paths)
            if not is_settled(known.newest):
                return survey
            _last.clear()
            _last[root, known.state] = survey
        return _last[root, known.state]

    @classmethod
    def _read(cls, root: Path, firsts: Sequence[Path], paths: Sequence[Path]) -> "Survey":
        gray, paged, cut = True, None, None
        depths: dict[str, Path] = {}
        shorter: Counter[int] = Counter()
        for path, has_no_colours, kind, is_paged, is_cut, side in mapped(_looked_at, paths):
            shorter[side] += 1
            gray = gray and has_no_colours
            depths.setdefault(kind, path)
            paged = paged or (path if is_paged else None)
            cut = cut or (path if is_cut else None)
        return cls(root, tuple(firsts), gray, depths, paged, cut, shorter)

    @property
    def wide(self) -> Path | None:
        """The first image of more than 8 bits."""
        return next((path for kind, path in self.depths.items() if kind != EIGHT_BITS), None)

    def check_range(self, pixel_range: PixelRange | None) -> None:
        """Refuse a range that nothing needs or that would be for some images alone, and images that need one.

        Raises:
            ValueError: Saying which.
        """
        if pixel_range is not None and self.wide is None:
            raise ValueError(
                "folder: pixel_range is for gray images of more than 8 bits or of floats; the images of "
                f"{shown(self.root)} are not such (Pillow reads colours of 16 bits as their 8 highest). Leave it out."
            )
        if len(self.depths) > 1 and (pixel_range is not None or not self.depths.keys() <= {EIGHT_BITS, SIXTEEN_BITS}):
            told = ", ".join(f"{kind} in {self._below(path)}" for kind, path in self.depths.items())
            raise ValueError(
                f"folder: images of {shown(self.root)} must have values of one kind where a pixel_range is given or "
                f"needed; there are {told}. Convert them to one kind."
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
        if self.cut is not None:
            warnings.warn(
                f"folder: {shown(self.root)} has images of 16 bits in colours or with transparency, of which the 8 "
                f"highest are kept, and no pixel_range changes that: {self._below(self.cut)}. If that makes them dark, "
                "scale them first.",
                stacklevel=3,
            )
        if self.paged is not None:
            warnings.warn(
                f"folder: {shown(self.root)} has images of several frames or pages, of which the first is used: "
                f"{self._below(self.paged)}.",
                stacklevel=3,
            )

    @property
    def usual_side(self) -> int:
        """A size for images that have none in common: the median of their shorter sides, and at most 224."""
        sides = sorted(self.shorter.elements())
        return min(sides[(len(sides) - 1) // 2], MOST_USUAL_SIDE)

    @property
    def is_of_one_size(self) -> bool:
        """Whether the first images are square and of one size, which is then that of all."""
        sizes = self._sizes()
        return len(sizes) == 1 and all(width == height for width, height in sizes)

    def size(self) -> tuple[int, int]:
        """Their height and width.

        Raises:
            ValueError: If they are not square and of one size.
        """
        sizes = self._sizes()
        width, height = next(iter(sizes))
        if len(sizes) > 1 or width != height:
            raise ValueError(
                f"folder: images of {shown(self.root)} must be square and of one size, or --image-size must say what "
                f"to scale them to; got {', '.join(f'{w} x {h}' for w, h in sorted(sizes)[:4])}. Try --image-size "
                f"{self.usual_side}."
            )
        return height, width

    def _sizes(self) -> set[tuple[int, int]]:
        """Widths and heights of the first images, upright."""
        sizes = set()
        for path in self.firsts:
            with opened(path, shown(path)) as image:
                image.load()
                turn_upright(image)
                sizes.add(image.size)
        return sizes

    def _below(self, path: Path) -> str:
        return below(path, self.root)


_last: dict[tuple[Path, bytes], Survey] = {}


def _looked_at(path: Path) -> tuple[Path, bool, str, bool, bool, int]:
    with opened(path, shown(path)) as image:
        paged, side = has_more_frames(image), min(image.size)
        return path, is_gray(image), depth(image), paged, is_cut_to_8_bits(image), side
