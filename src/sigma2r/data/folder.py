"""Images of a listing, such as that of a folder PATH/train/CLASS/... and PATH/test/CLASS/..., read by Pillow."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from sigma2r.data.folder_listing import list_folder
from sigma2r.data.images import ImageData
from sigma2r.data.listing import Listing, refuse_empty
from sigma2r.data.names import shown
from sigma2r.data.pixels import PixelRange, as_pixel_range, read_pixels
from sigma2r.data.resize import Resize
from sigma2r.data.threads import mapped

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
        resize: How it is scaled: ``"stretch"``, each side by itself, or ``"crop"``, its middle in its proportions.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Tensor,
        class_names: tuple[str, ...],
        image_shape: tuple[int, int, int],
        rescale: bool,
        pixel_range: PixelRange | None = None,
        resize: Resize = "stretch",
    ) -> None:
        self.paths = list(paths)
        self.labels = labels
        self.class_names = class_names
        self.image_shape = image_shape
        self.rescale = rescale
        self.pixel_range = pixel_range
        self.resize: Resize = resize

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self._pixels(index), self.labels[index]

    def _pixels(self, index: int) -> Tensor:
        path = self.paths[index]
        return read_pixels(
            path,
            shown(path),
            self.image_shape,
            rescale=self.rescale,
            resize=self.resize,
            pixel_range=self.pixel_range,
        )

    def load(self) -> ImageData:
        """All images decoded into memory, by as many threads as there are cores."""
        images = torch.empty(len(self), *self.image_shape, dtype=torch.uint8)

        def decode(index: int) -> None:
            images[index] = self._pixels(index)

        for _ in mapped(decode, range(len(self))):
            pass
        return ImageData(images, self.labels, self.class_names, tuple(self.paths))


def folder_images(
    root: Path,
    split: str,
    image_size: int | None = None,
    in_memory_bytes: int | None = None,
    *,
    gray: bool | None = None,
    pixel_range: PixelRange | None = None,
    resize: Resize | None = None,
    missing_classes: bool = False,
    test_fraction: float | None = None,
    test_seed: int = 0,
) -> ImageData | FolderImages:
    """Read a split of a folder tree; what would not fit into ``in_memory_bytes`` stays on disk.

    Args:
        root: The folder that holds ``train`` and ``test`` (or ``val``, ``valid``, ``validation`` in its place) and
            perhaps ``val`` beside them; or class folders alone.
        split: ``"train"``, ``"test"`` or ``"val"``.
        image_size: As :func:`read_listing` takes it; so are ``in_memory_bytes``, ``gray``, ``pixel_range``, ``resize``.
        in_memory_bytes: See there.
        gray: See there.
        pixel_range: See there.
        resize: See there.
        missing_classes: As :func:`~sigma2r.data.folder_listing.list_folder` takes it; so are ``test_fraction`` and
            ``test_seed``.
        test_fraction: See there.
        test_seed: See there.

    Returns:
        RGB images, or images of one channel. Classes are in the order of their names.

    Raises:
        ValueError: If a folder is missing, has no classes or no images, train and test disagree on the classes,
            links lead in a circle or give an image two classes or both splits, or an image cannot be read, needs a
            range, or has another size and none was asked for (named; where images stay on disk, once it is read).
    """
    pixel_range = as_pixel_range(pixel_range)
    listing = list_folder(
        root, split, missing_classes=missing_classes, test_fraction=test_fraction, test_seed=test_seed
    )
    return read_listing(listing, split, image_size, in_memory_bytes, gray=gray, pixel_range=pixel_range, resize=resize)


def read_listing(
    listing: Listing,
    split: str,
    image_size: int | None = None,
    in_memory_bytes: int | None = None,
    *,
    gray: bool | None = None,
    pixel_range: PixelRange | None = None,
    resize: Resize | None = None,
) -> ImageData | FolderImages:
    """The images of a split that is listed; what would not fit into ``in_memory_bytes`` stays on disk.

    Args:
        listing: Of a folder or a csv file.
        split: ``"train"``, ``"test"`` or ``"val"``.
        image_size: Pixels a side that every image is scaled to; needed unless all are square and of one size.
        in_memory_bytes: The most bytes of pixels to hold; default 4 GiB.
        gray: Whether images have one channel; default: if every image of all splits is gray.
        pixel_range: Values of black and of white, for gray images of more than 8 bits.
        resize: How images are scaled: ``"crop"`` (the default) or ``"stretch"``.

    Raises:
        ValueError: As :func:`folder_images` does; if there is no such split, or ``resize`` is given without a size.
    """
    if split not in listing.trees:
        raise ValueError(f"{listing.what}: {shown(listing.place)} must have images of {split}; it has none.")
    if resize is not None and image_size is None:
        raise ValueError(
            f"{listing.what}: resize says how images come to an image_size, and there is none; got {resize}. Add "
            "--image_size N, or leave it out."
        )
    training = listing.trees["train"]
    listing.say_what_is_passed_over(split)
    refuse_empty(training)
    survey = listing.survey
    survey.check_range(pixel_range)
    if split == "train":
        survey.say_what_is_lost(pixel_range)
        listing.say_what_is_odd()
    height, width = survey.size() if image_size is None else (image_size, image_size)
    shape = (1 if (survey.gray if gray is None else gray) else 3, height, width)
    classes = [listing.trees[split].images.get(name, []) for name in training.images]
    images = FolderImages(
        [path for paths in classes for path in paths],
        torch.tensor([label for label, paths in enumerate(classes) for _ in paths]),
        tuple(training.images),
        shape,
        rescale=image_size is not None,
        pixel_range=pixel_range,
        resize=resize or "crop",
    )
    most = IN_MEMORY_BYTES if in_memory_bytes is None else in_memory_bytes
    return images.load() if len(images) * shape[0] * shape[1] * shape[2] <= most else images
