"""The listing of a csv file of images: what it names counts, whatever it is called and wherever it lies."""

import os
from pathlib import Path

from sigma2r.data.choice import name_below
from sigma2r.data.csv_rows import Row, read_rows
from sigma2r.data.listing import Listing, refuse_other_classes, settled
from sigma2r.data.names import PassedOver, shown
from sigma2r.data.tree import ImageTree


def list_csv(
    file: Path,
    split: str | None = None,
    *,
    missing_classes: bool = False,
    test_fraction: float | None = None,
    test_seed: int = 0,
) -> Listing:
    """List a csv file; the order of its rows does not count.

    Args:
        file: See :func:`~sigma2r.data.csv_rows.read_rows`.
        split: The split that is wanted: what is wrong with others is left to who wants them. None wants all.
        missing_classes: Whether a class may have no images in a split other than train.
        test_fraction: Share of each class that is set aside where there is no column ``split``.
        test_seed: Decides which.

    Raises:
        ValueError: Naming file and line, if a row cannot be used; if the splits disagree on the classes, a link gives
            an image two classes or splits, or a share is given and there are test images.
    """
    rows = read_rows(file)
    if not rows[0].split:
        listing = settled("csv", file, file.parent, {"train": _tree(file, rows)})
        return listing.with_test(test_fraction, test_seed, missing_classes=missing_classes)
    if test_fraction is not None or test_seed:
        given = "test_seed" if test_fraction is None else "test_fraction"
        raise ValueError(
            f"csv: {given} is for a file without a column split; {shown(file)} says itself which images are for the "
            "test. Leave it out."
        )
    trees = {name: _tree(file, [row for row in rows if row.split == name]) for name in ("train", "test", "val")}
    for name in ("train", "test"):
        if not trees[name].images:
            raise ValueError(
                f"csv: {shown(file)} must have rows of the splits train and test; it has none of {name}. Leave the "
                "column split out to have test images chosen."
            )
    if not trees["val"].images:
        del trees["val"]
    for name in trees if split is None else {split} & trees.keys():
        refuse_other_classes(
            trees[name],
            trees["train"],
            (name, "train"),
            (f"csv: rows of {name} in {shown(file)}", "those of train"),
            missing_classes=missing_classes,
        )
    return settled("csv", file, file.parent, trees)


def _tree(file: Path, rows: list[Row]) -> ImageTree:
    """Classes in the order of their names, images in that of their paths."""
    images: dict[str, list[Path]] = {name: [] for name in sorted({row.label for row in rows})}
    for row in sorted(rows, key=lambda row: name_below(row.path, file.parent).replace(os.sep, "\0")):
        images[row.label].append(row.path)
    return ImageTree(file.parent, images, PassedOver(), {})
