"""From what a user names to a source of images: files, folders, data sets by name, images in memory, lists of them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sigma2r._absent import AbsentError
from sigma2r._arrays import as_list, is_array
from sigma2r._places import in_words, kind_of
from sigma2r._resolve import is_path
from sigma2r._shown import shown as told
from sigma2r._suggest import near
from sigma2r.data.formats import image_endings
from sigma2r.data.layout import VALIDATION_NAMES
from sigma2r.data.names import shown
from sigma2r.data.registry import DATASETS, FOLDER, is_listed
from sigma2r.data.tree import Identity, ImageTree, read_loose
from sigma2r.studies.record import Record
from sigma2r.trained.arrays import as_images
from sigma2r.trained.data_sets import check_split, split_of
from sigma2r.trained.sources import Files, Pixels, Several, Source

_NAMES = tuple(name for name in DATASETS if not name.startswith(FOLDER))


def is_data_set(name: object) -> bool:
    """Whether it names a data set: ``cifar10``, ``folder:PATH``, ``package.module:function``; a Path never does.

    Example:
        >>> [is_data_set(name) for name in ("cifar10", "folder:photos", "mine.py:pets", "photos", Path("cifar10"))]
        [True, True, True, False, False]
    """
    if not isinstance(name, str):
        return False
    return name in _NAMES or is_listed(name) or (is_path(name) and not Path(name).exists())


def find_source(
    images: Any,
    *,
    class_names: Sequence[str],
    channels: int,
    image_size: int,
    split: str | None = None,
    data_dir: Path | None = None,
    download: bool = False,
    record: Record | None = None,
) -> Source:
    """The images that a user means.

    Args:
        images: A path of a file or folder; a data set by its name; an image of Pillow's; an array or a tensor of one or
            several; or a list of such, in which data sets cannot stand, or an array, a column or an iterator that holds
            one.
        class_names: Of the run: folders of these names give their images a label.
        channels: Of the run's images.
        image_size: Their pixels a side.
        split: Of a data set; default: ``"test"``.
        data_dir: Folder of a data set's files.
        download: Fetch them if they are nowhere.
        record: Of the run, which chose the test images of a data set that has none.

    Raises:
        ValueError: If nothing lies where a path leads, there is no image, it is none of these, or a split is asked for
            of what has none.
    """
    if not hasattr(images, "getbands"):  # an image of Pillow's offers an array too
        images = as_list(images)
    if isinstance(images, Iterator) and not hasattr(images, "read"):  # which a file has
        images = list(images)
    if is_data_set(images):
        return split_of(
            images,
            "test" if split is None else split,
            data_dir=data_dir,
            download=download,
            image_size=image_size,
            record=record,
        )
    if split is not None:
        check_split(split)
        named = shown(images) if isinstance(images, (str, Path)) else told(images)
        raise ValueError(
            f"images: split must be left out, unless a data set is named, such as {FOLDER}PATH or cifar10; got {split} "
            f"with {named}, of which all images are taken."
        )
    if isinstance(images, (str, os.PathLike)):
        return _on_disk([images], class_names)
    if hasattr(images, "getbands"):
        return Several("images", ("image",), items=[images])
    if hasattr(images, "shape") or is_array(images):
        pixels = as_images(images, "images", channels)
        return Pixels("images", _numbered("images", len(pixels)), images=pixels)
    if not isinstance(images, Sequence) or isinstance(images, bytes):
        raise ValueError(
            "images: wanted are a path, a folder, the name of a data set, an image of Pillow's, an array, a tensor or "
            f"a list of such; got {told(images)}."
        )
    return _listed(list(images), class_names)


def _listed(items: list[Any], class_names: Sequence[str]) -> Source:
    if not items:
        raise ValueError("images: there must be at least one; the list is empty.")
    if sets := [item for item in items if is_data_set(item)]:
        raise ValueError(f"images: a data set stands alone; {shown(sets[0])} stands in a list of {len(items)}.")
    if all(isinstance(item, (str, os.PathLike)) for item in items):
        return _on_disk(items, class_names)
    names = [os.fspath(item) if isinstance(item, os.PathLike) else item for item in items]
    called = [name if isinstance(name, str) else f"images[{place}]" for place, name in enumerate(names)]
    return Several("images", called, items=names)


def _numbered(name: str, count: int) -> Sequence[str]:
    return [f"{name}[{place}]" for place in range(count)]


def _on_disk(paths: Sequence[str | os.PathLike[str]], class_names: Sequence[str]) -> Source:
    """Files and folders, in the order in which they are named; a folder's in the order of their paths.

    A path of several that leads to no image is one row with its reason, as an image that cannot be read.

    Raises:
        ValueError: If none of them leads anywhere: the first says why.
    """
    names: list[str] = []
    labels: list[str | None] = []
    listed: set[Identity] = set()
    refused: dict[int, ValueError | OSError] = {}
    for path in map(Path, paths):
        try:
            if not path.is_dir():
                _refuse_absent(path)  # a pipe, a device or a link that leads nowhere is told where it is read
                names.append(str(path))
                labels.append(None)
                continue
            tree = _folder(path, class_names)
        except (ValueError, OSError) as error:
            refused[len(names)] = error
            names.append(str(path))
            labels.append(None)
            continue
        pairs = [(str(image), name) for name, images in tree.images.items() for image in images]
        pairs.sort(key=lambda pair: pair[0].replace(os.sep, "\0"))
        names += [image for image, _ in pairs]
        labels += [name if name in class_names else None for _, name in pairs]
        listed |= tree.folders.keys()
    if len(refused) == len(names):
        raise refused[0]
    title = shown(paths[0]) if len(paths) == 1 else f"{len(paths):,} sources"  # type: ignore[arg-type]
    reasons = {row: in_words(why) if isinstance(why, OSError) else str(why) for row, why in refused.items()}
    return Files(title, names, labels if any(label is not None for label in labels) else None, listed, reasons)


def _refuse_absent(path: Path) -> None:
    if kind_of(path) is None:
        raise AbsentError(
            f"images: {shown(path)} must be a file, a folder or a data set; nothing lies there.{_meant(str(path))}"
        )


def _meant(path: str) -> str:
    return " A pattern that matches no file stays as it is typed." if "*" in path or "?" in path else near(path, _NAMES)


def _folder(folder: Path, class_names: Sequence[str]) -> ImageTree:
    splits = [name for name in ("test", *VALIDATION_NAMES) if (folder / name).is_dir()]
    if (folder / "train").is_dir() and splits and not {"train", *splits} & set(class_names):
        raise ValueError(
            f"images: {shown(folder)} has the splits of a data set, train/ and {splits[0]}/. Name the data set, "
            f"{FOLDER}{shown(folder)}, or the images of a split, {shown(folder / splits[0])}."
        )
    tree = read_loose(folder)
    tree.passed_over.say(f"images: in {shown(folder)}")
    if not any(tree.images.values()):
        raise ValueError(
            f"images: {shown(folder)} must hold images; it holds none. They end in .jpg, .png, .tif, .webp or another "
            f"of the {len(image_endings())} endings that Pillow reads."
        )
    return tree
