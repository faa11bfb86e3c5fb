"""How a folder of images is laid out: train/ and test/, perhaps val/ beside them, or class folders and no split."""

from contextlib import suppress
from pathlib import Path

from sigma2r._absent import AbsentError
from sigma2r._places import is_folder
from sigma2r.data.names import is_hidden, shown
from sigma2r.data.tree import Identity, folders_of, identity

VALIDATION_NAMES = ("val", "valid", "validation")
_SPLITS = ("train", "test", *VALIDATION_NAMES)  # in whatever letters: no class of a folder without splits is called so
_LIKE_SPLITS = (*_SPLITS, "training", "testing", "dev", "eval", "evaluation")  # nor are all its classes


def is_undivided(root: Path) -> bool:
    """Whether a folder holds class folders and no split: nothing in it is called like one, nor is all of it."""
    names = [name.lower() for name in _folders(root)]
    return bool(names) and not any(name in _SPLITS for name in names) and not all(n in _LIKE_SPLITS for n in names)


def split_folder(root: Path, split: str) -> Path | None:
    """Where a split lies: val/ may be called valid/ or validation/, and stands for test/ where there is no test/.

    Args:
        root: The folder of the data set.
        split: ``"train"``, ``"test"`` or ``"val"``.

    Returns:
        The folder; None for ``"val"`` if no folder is for validation.

    Raises:
        AbsentError: If the folder of the data set is not there.
        ValueError: If the split is missing, or several folders could stand for it.
    """
    if split != "val" and (root / split).is_dir():
        return root / split
    others = [name for name in VALIDATION_NAMES if split != "train" and (root / name).is_dir()]
    if split == "val" and not (others and (root / "test").is_dir()):
        return None  # what stands for test/ is not for validation too
    if len(others) == 1:
        return root / others[0]
    if others:
        wanted = "one folder for validation" if split == "val" else "test/, or one folder that stands for it"
        raise ValueError(
            f"folder: {shown(root)} must hold {wanted}; it holds {' and '.join(f'{name}/' for name in others)}. "
            + ("Move the others away." if split == "val" else "Rename one of them to test.")
        )
    is_folder(root / split)  # a file in its place, or in that of the data set's folder, is not a folder that is missing
    there = sorted(shown(name) + "/" for name in _folders(root, hidden=True))
    holds = f"it holds {', '.join(there[:5])}{', ...' * (len(there) > 5)}" if there else "it holds no folders"
    raise (ValueError if root.exists() else AbsentError)(
        f"folder: {shown(root)} must hold train/ and test/ with a folder for each class; {split}/ is missing, "
        f"{holds if root.is_dir() else 'and so is the folder itself'}."
    )


def listed_folders(root: Path) -> set[Identity]:
    """The folder of a data set and those that its listing reads, as far as they can be listed; nothing is refused."""
    found: set[Identity] = set()
    with suppress(ValueError, OSError):
        found.add(identity(str(root)))
    if is_undivided(root):
        return found | folders_of(root)
    for split in ("train", "test", "val"):
        with suppress(ValueError, OSError):
            folder = split_folder(root, split)
            found |= folders_of(folder) if folder is not None else set()
    return found


def _folders(root: Path, *, hidden: bool = False) -> list[str]:
    try:
        found = [*root.iterdir()]
    except OSError:  # who reads it says so
        return []
    return [each.name for each in found if each.is_dir() and (hidden or not is_hidden(each.name))]
