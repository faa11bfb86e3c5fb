"""CIFAR10 and CIFAR100: torchvision's files, a folder tree, or such a tree packed into a tar file."""

import hashlib
import io
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from sigma2r._absent import AbsentError
from sigma2r._extras import or_which_extra
from sigma2r._places import is_folder
from sigma2r.data.folder import folder_images
from sigma2r.data.images import ImageData
from sigma2r.data.layout import split_folder
from sigma2r.data.packed import packed_images

_SIZE = 32
_TAR_ENDINGS = (".tar", ".tar.xz", ".tar.gz", ".tgz", ".tar.bz2")


def cifar(name: str, split: str, data_dir: Path | None = None, download: bool = False) -> ImageData:
    """Read a split: 50,000 or 10,000 RGB images of 32 x 32 pixels, or as many as a smaller tree holds.

    Args:
        name: ``"cifar10"`` or ``"cifar100"`` (its 100 fine classes).
        split: ``"train"`` or ``"test"``.
        data_dir: A folder with torchvision's ``cifar-10-batches-py`` or ``cifar-100-python``; or with a tree
            ``cifar10/train/CLASS/IMAGE`` and ``cifar10/test/...``; or with such a tree packed as ``cifar10*.tar.*``.
            Looked for in this order. Default: ``$SIGMA2R_DATA_DIR``.
        download: Let torchvision fetch its files into ``data_dir`` if nothing of this is there.

    Raises:
        AbsentError: If nothing is there.
        ValueError: If a file is cut off, damaged or not what torchvision's checksums say.
    """
    named = data_dir or os.environ.get("SIGMA2R_DATA_DIR")
    if named is None:
        raise AbsentError(
            f"{name}: --data-dir or SIGMA2R_DATA_DIR must name the folder with its files; neither does. With "
            "--download true torchvision fetches them there."
        )
    root = Path(named)
    is_folder(root)
    source = _source(name)
    found = _find(root, name)
    if found is None and download:
        source(str(root), download=True)
        found = _find(root, name)
    if found is None:
        raise (ValueError if (root / name).exists() else AbsentError)(
            f"{name}: {root} must hold {source.base_folder}, a folder {name} with train/ and test/, or {name}*.tar.*; "
            "it holds none of them. Add --download true to fetch torchvision's files."
        )
    if found.name == source.base_folder:
        return _torchvisions(found, source, name, split)
    if found.is_dir():
        beside = split_folder(found, "val")
        if split == "test" and beside is not None:
            warnings.warn(
                f"{name}: {beside} is not read. --dataset folder:{found} takes it for validation, "
                "--validation_fraction some of the training images.",
                stacklevel=3,
            )
        tree = folder_images(found, split, _SIZE, gray=False, resize="stretch")
        return tree if isinstance(tree, ImageData) else tree.load()
    return packed_images(found, split, _SIZE)


def cifar_tree(name: str, data_dir: Path | None = None) -> Path | None:
    """The folder tree that :func:`cifar` would read; None where it would read a file, or nothing."""
    named = data_dir or os.environ.get("SIGMA2R_DATA_DIR")
    tree = Path(named) / name if named is not None else None
    if tree is None or not (tree / "train").is_dir() or (tree.parent / _source(name).base_folder).is_dir():
        return None
    return tree


def _source(name: str) -> Any:
    """Torchvision's class: it knows file names and checksums."""
    with or_which_extra(name):
        from torchvision.datasets import CIFAR10, CIFAR100

    return {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]


def _find(root: Path, name: str) -> Path | None:
    base: Path = root / _source(name).base_folder
    if base.is_dir():
        return base
    if (root / name / "train").is_dir():
        return root / name
    if not root.is_dir():
        return None
    packed = sorted(
        p for p in root.iterdir() if p.name.endswith(_TAR_ENDINGS) and _is_named(p.name, name) and p.is_file()
    )
    if len(packed) > 1:
        warnings.warn(
            f"{name}: {root} holds {len(packed)} packed trees; {packed[0].name} is read, the first by name.",
            stacklevel=3,
        )
    return packed[0] if packed else None


def _is_named(file: str, name: str) -> bool:
    """``cifar10-20k.tar.xz`` is of cifar10, ``cifar100-25k.tar.xz`` is not."""
    rest = file.removeprefix(name)
    return rest != file and not rest[:1].isdigit()


def _torchvisions(folder: Path, source: Any, name: str, split: str) -> ImageData:
    parts = [
        _unpickled(folder / file, checksum, name)
        for file, checksum in (source.train_list if split == "train" else source.test_list)
    ]
    label_key = "labels" if name == "cifar10" else "fine_labels"
    try:
        pixels = torch.cat([torch.as_tensor(part["data"]) for part in parts])
        labels = torch.tensor([label for part in parts for label in part[label_key]])
        names = _unpickled(folder / source.meta["filename"], source.meta["md5"], name)[source.meta["key"]]
        return ImageData(pixels.view(-1, 3, _SIZE, _SIZE), labels, tuple(names))
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{name}: {folder} must hold the files of the published set: {error!r}.") from error


def _unpickled(path: Path, checksum: str, name: str) -> Any:
    """What one of torchvision's files holds, once its checksum is right; it can name nothing but arrays."""
    if not path.is_file():
        raise ValueError(f"{name}: {path} must be there; it is not. Was the archive unpacked in full?")
    with path.open("rb") as file:  # of whatever size, it is not read into memory before its checksum is right
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != checksum:
        raise ValueError(
            f"{name}: {path} must have the MD5 {checksum} of the published file; it has {found}. Was it cut off? "
            "Fetch it again."
        )
    return _Arrays(io.BytesIO(path.read_bytes()), encoding="latin1").load()


def _latin1(text: str, encoding: str) -> bytes:
    """How bytes are spelled in an old pickle, whatever codec it names."""
    return text.encode("latin1")


class _Arrays(pickle.Unpickler):
    """Unpickles arrays and plain values, and refuses whatever else a file names."""

    def find_class(self, module: str, name: str) -> Any:
        """The names that an array and its bytes are made of."""
        with or_which_extra("cifar"):
            import numpy as np

        allowed = {
            "_reconstruct": np.array([0]).__reduce__()[0],
            "ndarray": np.ndarray,
            "dtype": np.dtype,
        }
        if module.partition(".")[0] == "numpy" and name in allowed:
            return allowed[name]
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        raise ValueError(f"cifar: files must hold arrays and plain values; this one names {module}.{name}.")
