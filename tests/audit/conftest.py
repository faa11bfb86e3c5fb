"""A small folder of real images with planted faults, and a run on it, for all tests of the audit."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from sigma2r.data import Augmentation
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where
from tests.trained.conftest import clothes as clothes

QUIET = Where(device="cpu", progress=False, workers=0)
FLIPPED = ("Trouser", "Bag", "Sneaker")
WRONG = {"Trouser": "Bag", "Bag": "Sneaker", "Sneaker": "Trouser"}


@dataclass(frozen=True)
class Planted:
    """A folder and what is wrong in it."""

    root: Path
    run: Path
    flips: dict[str, str]  # path and the true class
    leak: tuple[Path, Path]
    copy: tuple[Path, Path]
    alone: Path


@pytest.fixture(scope="session")
def planted(clothes, tmp_path_factory) -> Planted:
    """Three classes that a small network learns at once, a flip of each, a leak, a copy, and a class of one image."""
    place = tmp_path_factory.mktemp("planted")
    root = place / "photos"
    for split in ("train", "test"):
        for name in FLIPPED:
            shutil.copytree(clothes / split / name, root / split / name)
    flips = {}
    for name, wrong in WRONG.items():
        path = root / "train" / wrong / f"flip-{name}.png"
        shutil.move(root / "train" / name / "3.png", path)
        flips[str(path)] = name
    leak = (root / "train/Bag/5.png", root / "test/Bag/leak.png")
    copy = (root / "train/Trouser/8.png", root / "train/Trouser/copy.png")
    for one, other in (leak, copy):
        shutil.copy(one, other)
    alone = root / "train/Shirt/1.png"
    alone.parent.mkdir()
    shutil.copy(clothes / "train/Shirt/1.png", alone)
    run = Run(
        dataset=f"folder:{root}", loss="center@0.1", epochs=8, lr=3e-3, batch_size=40, missing_classes=True,
        augmentation=Augmentation(),
    )  # fmt: skip
    train(run, place / "run", QUIET)
    return Planted(root, place / "run", flips, leak, copy, alone)
