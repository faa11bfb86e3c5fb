"""Which images a data set has, split by split, before any is decoded: of a folder, or of a csv file."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sigma2r.data._statuses import Statuses, statuses
from sigma2r.data.choice import TEST_FRACTION, Chosen, choose_test
from sigma2r.data.formats import image_endings
from sigma2r.data.names import PassedOver, shown
from sigma2r.data.spelling import near_names, say_look_alikes
from sigma2r.data.survey import Survey
from sigma2r.data.tree import ImageTree
from sigma2r.data.twins import say_twins, settle_twins


@dataclass(frozen=True)
class Listing:
    """Images by split and class, each once.

    Args:
        what: ``"folder"`` or ``"csv"``: how messages begin.
        place: The folder or file that is listed.
        root: What the paths of images are told from.
        trees: ``train`` and, as far as they are there, ``test`` and ``val``.
        known: What the file system tells of the files.
        hard_links: For each image that they give two classes or splits, two of its paths.
        chosen: How test images were chosen, if there were none.
    """

    what: str
    place: Path
    root: Path
    trees: dict[str, ImageTree]
    known: Statuses
    hard_links: Sequence[tuple[Path, Path]]
    chosen: Chosen | None = None

    @cached_property
    def survey(self) -> Survey:
        """What the headers of all images tell, which are read for it."""
        firsts = [paths[0] for paths in self.trees["train"].images.values()]
        return Survey.of(self.root, firsts, files_of(self.trees), self.known)

    def say_what_is_passed_over(self, split: str) -> None:
        """One warning, if anything is."""
        tree = self.trees[split]
        tree.passed_over.say(f"{self.what}: in {shown(tree.folder if self.what == 'folder' else self.place)}")

    def say_what_is_odd(self) -> None:
        """Warn of classes that look the same, and of images with several names in two of them or in two splits."""
        say_twins(self.what, self.hard_links, self.place, self.root)
        training = self.trees["train"]
        say_look_alikes(
            training.images, f"{self.what}: {shown(training.folder if self.what == 'folder' else self.place)}"
        )

    def with_test(self, fraction: float | None, seed: int, *, missing_classes: bool) -> "Listing":
        """Some of the training images set aside as test images, which is said if no share was asked for.

        Raises:
            ValueError: If a class, or all, has too few images for that.
        """
        how = Chosen(TEST_FRACTION if fraction is None else fraction, seed)
        whole = self.trees["train"]
        chosen = choose_test(whole.images, self.root, how, self.known.twins)
        without = [name for name, paths in chosen.items() if not paths]
        if len(without) == len(chosen):
            raise ValueError(
                f"{self.what}: there must be a class of two images or more, so that one of them can be set aside for "
                f"the test; {shown(self.place)} has one image of each class."
            )
        if without and not missing_classes:
            raise ValueError(
                f"{self.what}: each class must have two images or more, so that one of them can be set aside for the "
                f"test; {shown(self.place)} has one of {', '.join(map(shown, without[:5]))}"
                f"{', ...' * (len(without) > 5)}. --missing_classes true allows classes without test images."
            )
        parts = {
            split: {name: [p for p in paths if (p in chosen[name]) is aside] for name, paths in whole.images.items()}
            for split, aside in (("train", False), ("test", True))
        }
        trees = {"train": replace(whole, images=parts["train"]),
                 "test": ImageTree(whole.folder, parts["test"], PassedOver(), {})}  # fmt: skip
        if fraction is None:
            self._say_what_is_chosen(how, sum(map(len, chosen.values())))
        return replace(self, trees=trees, chosen=how)

    def _say_what_is_chosen(self, how: Chosen, test: int) -> None:
        warnings.warn(
            f"{self.what}: {shown(self.place)} says of no image that it is for the test; {how.fraction:g} of each "
            f"class are set aside, {test:,} of {len(files_of(self.trees)):,} images, in every run the same. "
            f"--test_fraction {how.fraction:g} says so, and --test_seed chooses others.",
            stacklevel=3,
        )


def files_of(trees: Mapping[str, ImageTree]) -> list[Path]:
    """All images of all splits."""
    return [path for tree in trees.values() for paths in tree.images.values() for path in paths]


def settled(what: str, place: Path, root: Path, trees: dict[str, ImageTree]) -> Listing:
    """The listing of some splits, with each image once.

    Raises:
        ValueError: If a file is not there, or a link gives an image two classes or splits.
    """
    known = statuses(files_of(trees))
    return Listing(what, place, root, trees, known, settle_twins(what, list(trees.values()), known.twins))


def refuse_other_classes(
    mine: ImageTree, training: ImageTree, names: tuple[str, str], told: tuple[str, str], *, missing_classes: bool
) -> None:
    """Refuse classes that train does not have and, unless that is allowed, classes without images.

    Args:
        mine: A split.
        training: The training split.
        names: What the splits are called beside a class: ``"test/"``, ``"train/"``.
        told: What they are called at the beginning, with who says it: ``"folder: photos/test"``, ``"photos/train"``.
        missing_classes: Whether the split may lack classes.

    Raises:
        ValueError: Naming the classes.
    """
    unknown, missing = set(mine.images) - set(training.images), set(training.images) - set(mine.images)
    if unknown or (missing and not missing_classes):
        raise ValueError(
            f"{told[0]} must have the classes of {told[1]}; they differ in: "
            f"{', '.join(map(shown, sorted(unknown | missing)))}."
            + near_names(mine.images, training.images, *names)
            + ("" if unknown else " --missing_classes true allows classes without images there.")
        )


def refuse_empty(tree: ImageTree, remedy: str = "") -> None:
    """Refuse a class without images, which is a mistake, such as a folder of other files.

    Raises:
        ValueError: Naming it.
    """
    for name, paths in tree.images.items():
        if not paths:
            beside = f" Passed over in {shown(tree.folder)} - {tree.passed_over}." if tree.passed_over.counts else ""
            raise ValueError(
                f"folder: each class must have images; {shown(tree.folder / name)} has none.{beside} Images end in "
                f".jpg, .png, .tif, .webp or another of the {len(image_endings())} endings that Pillow reads.{remedy}"
            )
