"""The data sets by the names that a user types."""

import os
import warnings
from pathlib import Path
from typing import Any

from sigma2r._resolve import is_path
from sigma2r._suggest import unknown
from sigma2r.data.augmentation import POLICIES, Augmentation
from sigma2r.data.cifar import cifar, cifar_tree
from sigma2r.data.csv_listing import list_csv
from sigma2r.data.csv_rows import says_split
from sigma2r.data.fashion_mnist import fashion_mnist
from sigma2r.data.folder import FolderImages, read_listing
from sigma2r.data.folder_listing import list_folder
from sigma2r.data.fuzzy_rgb import fuzzy_rgb
from sigma2r.data.images import ImageData
from sigma2r.data.layout import is_undivided
from sigma2r.data.listing import Listing
from sigma2r.data.own import own_images
from sigma2r.data.pixels import PixelRange, as_pixel_range
from sigma2r.data.resize import Resize

FOLDER, CSV = "folder:", "csv:"
DATASETS = {
    "fuzzy-rgb": "3 x 3,000 images of one noisy colour, made on the fly (section 3.1 of the paper); 32 x 32, RGB",
    "fashion-mnist": "60,000 + 10,000 images of clothes in 10 classes; 28 x 28, gray",
    "cifar10": "50,000 + 10,000 photographs in 10 classes; 32 x 32, RGB (--data-dir)",
    "cifar100": "50,000 + 10,000 photographs in 100 classes; 32 x 32, RGB (--data-dir)",
    "folder:PATH": "train/ and test/, perhaps val/, or class folders alone; images of any size (--image-size)",
    "csv:FILE": "columns path, label and perhaps split; images of any size (--image-size)",
}
# The paper gives no sizes: these are our choice. Uniform colours have nothing to shift or turn.
_AUGMENTATIONS = {
    "fuzzy-rgb": Augmentation(),
    "fashion-mnist": Augmentation(crop=2, rotation=10.0, horizontal_flip=0.5),
    "cifar10": Augmentation(crop=4, rotation=10.0, horizontal_flip=0.5),
    "cifar100": Augmentation(crop=4, rotation=10.0, horizontal_flip=0.5),
    FOLDER: POLICIES["crop"],  # no flip: in letters, arrows or scans left is not right
}
_SIDES = {"fashion-mnist": 28, "cifar10": 32, "cifar100": 32}


def check_dataset(name: str) -> None:
    """Refuse a data set that does not exist; one by a path is not looked at yet.

    Raises:
        ValueError: With the nearest names.
    """
    if name in (FOLDER, CSV) or not (name in _AUGMENTATIONS or is_listed(name) or is_path(name)):
        raise unknown("data set", name, DATASETS)


def is_listed(name: str) -> bool:
    """Whether a data set is the files of a folder or of a csv file; neither is a module, whatever it is called."""
    return name.startswith((FOLDER, CSV))


def say_what_is_ignored(name: str, data_dir: Path | None, download: bool) -> None:
    """One sentence if where to look for files was said of a data set that is a folder itself, or has no files."""
    given = [*(["data_dir"] if data_dir is not None else []), *(["download"] if download else [])]
    if given and (name == "fuzzy-rgb" or is_listed(name)):
        why = "its images are made on the fly" if name == "fuzzy-rgb" else "its images lie where it says itself"
        warnings.warn(f"{name}: {' and '.join(given)} is ignored: {why}.", stacklevel=3)


def listed_folder(name: str, data_dir: Path | None) -> Path | None:
    """The folder whose listing decides which images and classes a data set has; None where no listing does."""
    if name.startswith(FOLDER):
        return listed_place(name)
    return cifar_tree(name, data_dir) if name in ("cifar10", "cifar100") else None


def is_divided(name: str) -> bool:
    """Whether a folder or csv file says itself which images are for the test.

    Args:
        name: As :func:`is_listed` wants it.

    Raises:
        ValueError: If a csv file cannot be read.
    """
    return not is_undivided(listed_place(name)) if name.startswith(FOLDER) else says_split(listed_place(name))


def listed_place(name: str) -> Path:
    """The folder, or the csv file, of a data set that :func:`is_listed`."""
    return Path(os.path.expanduser(name.partition(":")[2]))  # noqa: PTH111 - Path raises for a home that is not there


def default_augmentation(name: str) -> Augmentation:
    """How training images of this data set are changed unless the run says otherwise; those by a path are not."""
    return _AUGMENTATIONS.get(FOLDER if is_listed(name) else name, Augmentation())


def list_images(
    name: str,
    split: str | None = None,
    *,
    missing_classes: bool = False,
    test_fraction: float | None = None,
    test_seed: int = 0,
) -> Listing:
    """List the images of ``folder:PATH`` or ``csv:FILE``, before any is decoded.

    Args:
        name: As :func:`is_listed` wants it.
        split: The split that is wanted; None: all.
        missing_classes: Whether classes may have no images in other splits than train.
        test_fraction: Share of each class that is set aside where there are no test images; default 0.2.
        test_seed: Decides which.

    Raises:
        ValueError: If the folder or the file cannot be used.
    """
    lists = list_folder if name.startswith(FOLDER) else list_csv
    place = listed_place(name)
    return lists(place, split, missing_classes=missing_classes, test_fraction=test_fraction, test_seed=test_seed)


def usual_image_size(name: str, **choice: Any) -> int | None:
    """A size for images of a folder or a csv file that have none in common; None for those that have, and all others.

    Nothing is warned of, for the same is looked at again when images are loaded.

    Args:
        name: A data set.
        choice: As :func:`list_images` takes it.

    Raises:
        ValueError: If the images cannot be listed.
    """
    if not is_listed(name):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        survey = list_images(name, **choice).survey
    return None if survey.is_of_one_size else survey.usual_side


def load_images(
    name: str,
    split: str,
    *,
    data_dir: Path | None = None,
    image_size: int | None = None,
    download: bool = False,
    gray: bool | None = None,
    pixel_range: PixelRange | None = None,
    resize: Resize | None = None,
    missing_classes: bool = False,
    test_fraction: float | None = None,
    test_seed: int = 0,
) -> ImageData | FolderImages:
    """Load a split of a data set.

    Args:
        name: One of :data:`DATASETS`, or the path of one's own: see :func:`sigma2r.data.own.own_images`.
        split: ``"train"`` or ``"test"``, or ``"val"`` where images of their own are for validation.
        data_dir: Folder of the data set's files, where it has some.
        image_size: Pixels a side; default: the data set's own.
        download: Fetch the files if they are nowhere.
        gray: Of a folder or a csv file: whether images have one channel; default: if all are gray.
        pixel_range: Of these: values of black and of white, for gray images of more than 8 bits.
        resize: Of these: how images come to that size: ``"crop"`` (the default) or ``"stretch"``.
        missing_classes: Of these: whether classes may have no test images.
        test_fraction: Of these: share of each class set aside as test images, where there are none; default 0.2.
        test_seed: Of these: decides which.

    Returns:
        Images in memory, or images that stay on disk if there are too many. Both have ``labels``,
        ``class_names`` and ``image_shape``.

    Raises:
        ValueError: If the name is unknown, files are missing or damaged, or what concerns a folder is given for
            another data set.
    """
    check_dataset(name)
    if is_listed(name):
        pixel_range = as_pixel_range(pixel_range)
        listing = list_images(
            name, split, missing_classes=missing_classes, test_fraction=test_fraction, test_seed=test_seed
        )
        return read_listing(listing, split, image_size, gray=gray, pixel_range=pixel_range, resize=resize)
    given = {
        "gray": gray, "pixel_range": pixel_range, "resize": resize, "missing_classes": missing_classes or None,
        "test_fraction": test_fraction, "test_seed": test_seed or None,
    }  # fmt: skip
    for key in (key for key, value in given.items() if value is not None):
        raise ValueError(
            f"{name}: {key} is for folder:PATH and csv:FILE; images of {name} are used as they are. Leave it out."
        )
    if is_path(name):
        return own_images(name, split, data_dir=data_dir, image_size=image_size, download=download)
    if split == "val":
        raise ValueError(f"{name}: split must be train or test; {name} has no images for validation alone.")
    if name == "fuzzy-rgb":
        return fuzzy_rgb(split, image_size or 32)
    if image_size not in (None, _SIDES[name]):
        raise ValueError(
            f"{name}: images are used as they are, {_SIDES[name]} pixels a side; got image_size {image_size}."
        )
    if name == "fashion-mnist":
        return fashion_mnist(split, data_dir, download)
    return cifar(name, split, data_dir, download)
