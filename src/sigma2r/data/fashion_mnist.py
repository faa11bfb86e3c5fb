"""FashionMNIST from its four idx files: Debian's package, torchvision's layout, or any folder that holds them."""

import os
from pathlib import Path

from sigma2r._absent import AbsentError
from sigma2r._extras import or_which_extra
from sigma2r._places import is_folder
from sigma2r.data.idx import read_idx
from sigma2r.data.images import ImageData

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_PREFIX = {"train": "train", "test": "t10k"}
_PARTS = (("images", 3), ("labels", 1))


def fashion_mnist(split: str, data_dir: Path | None = None, download: bool = False) -> ImageData:
    """Read a split: 60,000 or 10,000 images of 28 x 28 pixels in one channel.

    Args:
        split: ``"train"`` or ``"test"``.
        data_dir: A folder with the files, plain or gzipped, or with torchvision's ``FashionMNIST/raw`` below it.
            Default: ``$SIGMA2R_DATA_DIR``, then where Debian's package ``dataset-fashion-mnist`` puts them.
        download: Let torchvision fetch them into ``data_dir`` if they are nowhere.

    Raises:
        AbsentError: If none of the four files is there.
        ValueError: If one of them is missing, cut off, damaged, that of the other split, or does not fit its partner.
    """
    folders = _folders(data_dir)
    if download and _find(folders, split, "images", 3) is None:
        _download(folders[0])
    parts = {}
    for part, dimensions in _PARTS:
        path = _find(folders, split, part, dimensions)
        if path is None:
            for folder in folders:
                is_folder(folder)
            some = any(_find(folders, name, *other) for name in _PREFIX for other in _PARTS)
            raise (ValueError if some else AbsentError)(
                f"fashion-mnist: {_PREFIX[split]}-{part}-idx{dimensions}-ubyte (or .gz) must lie in one of "
                f"{', '.join(map(str, folders))}; it does not. Install Debian's package dataset-fashion-mnist, point "
                "--data-dir at the four files, or add --download true."
            )
        other = _find(folders, "test" if split == "train" else "train", part, dimensions)
        if other is not None and path.samefile(other):
            raise ValueError(
                f"fashion-mnist: no file may both train and test; {path} and {other} are one. Fetch one of them again."
            )
        parts[part] = read_idx(path, dimensions)
    images, labels = parts["images"], parts["labels"].long()
    if len(images) != len(labels):
        raise ValueError(
            f"fashion-mnist: images and labels of {split} must be as many; there are {len(images)} and {len(labels)}."
        )
    if not len(labels) or labels.max() >= len(CLASS_NAMES):
        raise ValueError(f"fashion-mnist: labels of {split} must lie in [0, 10), and there must be some.")
    return ImageData(images.unsqueeze(1), labels, CLASS_NAMES)


def _folders(data_dir: Path | None) -> list[Path]:
    if data_dir is None:
        named = os.environ.get("SIGMA2R_DATA_DIR")
        roots = [*([Path(named)] if named else []), DEBIAN_FOLDER]
    else:
        roots = [Path(data_dir)]
    return [folder for root in roots for folder in (root, root / "FashionMNIST" / "raw")]


def _find(folders: list[Path], split: str, part: str, dimensions: int) -> Path | None:
    name = f"{_PREFIX[split]}-{part}-idx{dimensions}-ubyte"
    candidates = (folder / f"{name}{suffix}" for folder in folders for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _download(root: Path) -> None:
    with or_which_extra("fashion-mnist"):
        from torchvision.datasets import FashionMNIST

    FashionMNIST(str(root), download=True)
