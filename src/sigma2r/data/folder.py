"""A folder tree of images: PATH/train/CLASS/... and PATH/test/CLASS/..., read by Pillow."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from sigma2r.data._statuses import statuses
from sigma2r.data.formats import image_endings
from sigma2r.data.images import ImageData
from sigma2r.data.names import shown
from sigma2r.data.pixels import PixelRange, as_pixel_range, read_pixels
from sigma2r.data.spelling import near_names, say_look_alikes
from sigma2r.data.survey import Survey
from sigma2r.data.threads import mapped
from sigma2r.data.tree import ImageTree, read_tree, split_folder
from sigma2r.data.twins import refuse_shared_folders, say_twins, settle_twins

IN_MEMORY_BYTES = 4 * 2**30


class FolderImages(Dataset[tuple[Tensor, Tensor]]):
    """Images that stay on disk and are decoded as they are asked for, by a DataLoader's workers.

    Args:
        paths: The image files.
        labels: Class indices, shape ``(N,)``.
        class_names: One name for each class.
        image_shape: Channels, height and width that images are brought to.
        rescale: Whether an image of another size is scaled; otherwise it is refused.
        pixel_range: Values of black and of white, for gray images of more than 8 bits.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Tensor,
        class_names: tuple[str, ...],
        image_shape: tuple[int, int, int],
        rescale: bool,
        pixel_range: PixelRange | None = None,
    ) -> None:
        self.paths = list(paths)
        self.labels = labels
        self.class_names = class_names
        self.image_shape = image_shape
        self.rescale = rescale
        self.pixel_range = pixel_range

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self._pixels(index), self.labels[index]

    def _pixels(self, index: int) -> Tensor:
        path = self.paths[index]
        return read_pixels(path, shown(path), self.image_shape, rescale=self.rescale, pixel_range=self.pixel_range)

    def load(self) -> ImageData:
        """All images decoded into memory, by as many threads as there are cores."""
        images = torch.empty(len(self), *self.image_shape, dtype=torch.uint8)

        def decode(index: int) -> None:
            images[index] = self._pixels(index)

        for _ in mapped(decode, range(len(self))):
            pass
        return ImageData(images, self.labels, self.class_names)


def folder_images(
    root: Path,
    split: str,
    image_size: int | None = None,
    in_memory_bytes: int = IN_MEMORY_BYTES,
    *,
    gray: bool | None = None,
    pixel_range: PixelRange | None = None,
    missing_classes: bool = False,
) -> ImageData | FolderImages:
    """Read a split of a folder tree; what would not fit into ``in_memory_bytes`` stays on disk.

    Args:
        root: The folder that holds ``train`` and ``test`` (or ``val``, ``valid``, ``validation`` in its place).
        split: Which of them.
        image_size: Pixels a side that every image is scaled to; needed unless all are square and of one size.
        in_memory_bytes: The most bytes of pixels to hold.
        gray: Whether images have one channel; default: if every image of both splits is gray.
        pixel_range: Values of black and of white, for gray images of more than 8 bits.
        missing_classes: Whether a class may have no images in this split, if it is not the training split.

    Returns:
        RGB images, or images of one channel. Classes are in the order of their names.

    Raises:
        ValueError: If a folder is missing, has no classes or no images, train and test disagree on the classes,
            links lead in a circle or give an image two classes or both splits, or an image cannot be read, needs a
            range, or has another size and none was asked for (named; where images stay on disk, once it is read).
    """
    pixel_range = as_pixel_range(pixel_range)
    trees = _trees(root, split, missing_classes)
    known = statuses(_paths(trees))
    hard_links = settle_twins(trees, known.twins)
    training, tree = trees[0], trees[0 if split == "train" else -1]
    tree.passed_over.say(f"folder: in {shown(tree.folder)}")
    _refuse_empty(training)
    survey = Survey.of(root, [paths[0] for paths in training.images.values()], _paths(trees), known)
    survey.check_range(pixel_range)
    if split == "train":
        survey.say_what_is_lost(pixel_range)
        say_twins(hard_links, root)
        say_look_alikes(training.images, f"folder: {shown(training.folder)}")
    height, width = survey.size() if image_size is None else (image_size, image_size)
    shape = (1 if (survey.gray if gray is None else gray) else 3, height, width)
    classes = [tree.images.get(name, []) for name in training.images]
    images = FolderImages(
        [path for paths in classes for path in paths],
        torch.tensor([label for label, paths in enumerate(classes) for _ in paths]),
        tuple(training.images),
        shape,
        rescale=image_size is not None,
        pixel_range=pixel_range,
    )
    fits = len(images) * shape[0] * shape[1] * shape[2] <= in_memory_bytes
    return images.load() if fits else images


def _trees(root: Path, split: str, missing_classes: bool) -> list[ImageTree]:
    """The images of train, and of the other split if there is one."""
    training = read_tree(split_folder(root, "train")[0])
    other = _test_split(root) if split == "train" else _other_split(root, split, training, missing_classes)
    if other is None:
        return [training]
    refuse_shared_folders(training, other)
    return [training, other]


def _other_split(root: Path, split: str, training: ImageTree, missing_classes: bool) -> ImageTree:
    """The tree of a split other than train, once its classes are those of train."""
    folder, unread = split_folder(root, split)
    say_which_stands_in(root, split, folder, unread)
    tree = read_tree(folder)
    unknown, missing = set(tree.images) - set(training.images), set(training.images) - set(tree.images)
    if unknown or (missing and not missing_classes):
        raise ValueError(
            f"folder: {shown(folder)} must have the classes of {shown(training.folder)}; they differ in: "
            f"{', '.join(map(shown, sorted(unknown | missing)))}."
            + near_names(tree.images, training.images, f"{folder.name}/", "train/")
            + ("" if unknown else " --missing_classes true allows classes without images there.")
        )
    if not missing_classes or not any(tree.images.values()):
        _refuse_empty(tree)
    return tree


def say_which_stands_in(root: Path, split: str, folder: Path, unread: Sequence[str]) -> None:
    """Warn if another folder is taken for a split, and of those that could be and are not; see ``split_folder``."""
    if folder.name != split:
        warnings.warn(f"folder: {shown(root)} has no {split}/; {folder.name}/ is taken for it.", stacklevel=3)
    for name in unread:
        warnings.warn(
            f"folder: {shown(root)} has {split}/ and {name}/; {name}/ is not read. Images for validation come from "
            "train/, by --validation_fraction.",
            stacklevel=3,
        )


def _refuse_empty(tree: ImageTree) -> None:
    """A class without images is a mistake, such as a folder of other files."""
    for name, paths in tree.images.items():
        if not paths:
            beside = f" Passed over in {shown(tree.folder)} - {tree.passed_over}." if tree.passed_over.counts else ""
            raise ValueError(
                f"folder: each class must have images; {shown(tree.folder / name)} has none.{beside} Images end in "
                f".jpg, .png, .tif, .webp or another of the {len(image_endings())} endings that Pillow reads."
            )


def _test_split(root: Path) -> ImageTree | None:
    """The images of test beside those of train; what is wrong with them is said when that split is asked for."""
    try:
        return read_tree(split_folder(root, "test")[0])
    except ValueError:
        return None


def _paths(trees: Sequence[ImageTree]) -> list[Path]:
    return [path for tree in trees for paths in tree.images.values() for path in paths]
