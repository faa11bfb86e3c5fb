"""Runs that are trained once for all tests, of made and of real images."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from sigma2r.data.fashion_mnist import DEBIAN_FOLDER, fashion_mnist
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where
from tests.conftest import require
from tests.studies.conftest import _paths_of_modules as _paths_of_modules
from tests.studies.conftest import tiny as tiny

QUIET = Where(device="cpu", progress=False)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A run on Fuzzy-RGB with validation, two features and centers."""
    folder = tmp_path_factory.mktemp("made") / "run"
    run = Run(loss="center@0.1", feature_dim=2, epochs=2, images_per_class=120, batch_size=60, validation_fraction=0.1)
    train(run, folder, QUIET)
    return folder


@pytest.fixture(scope="session")
def clothes(tmp_path_factory) -> Path:
    """Real images as a folder: 30 of each class of FashionMNIST to train, 12 to test with, gray PNG files."""
    require("FashionMNIST in /usr/share/datasets", DEBIAN_FOLDER.is_dir())
    root = tmp_path_factory.mktemp("clothes")
    for split, count in (("train", 30), ("test", 12)):
        data = fashion_mnist(split)
        for label, name in enumerate(data.class_names):
            folder = root / split / name.replace("/", " or ")
            folder.mkdir(parents=True)
            for number, row in enumerate((data.labels == label).nonzero().flatten()[:count].tolist()):
                Image.fromarray(data.images[row, 0].numpy()).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def worn(clothes, tmp_path_factory) -> Path:
    """A run on that folder."""
    folder = tmp_path_factory.mktemp("worn") / "run"
    train(Run(dataset=f"folder:{clothes}", loss="sigma2r@0.01", epochs=8, lr=3e-3, batch_size=80), folder, QUIET)
    return folder


@pytest.fixture
def changed(made, tmp_path) -> Callable[..., Path]:
    """A copy of the made run with another record or checkpoint."""

    def change(record: Callable[[dict], object] | None = None, last: Callable[[dict], object] | None = None) -> Path:
        folder = tmp_path / "changed"
        shutil.copytree(made, folder)
        if record is not None:
            values = json.loads((folder / "record.json").read_text())
            record(values)
            (folder / "record.json").write_text(json.dumps(values))
        if last is not None:
            path = folder / "checkpoints/last.ckpt"
            checkpoint = torch.load(path, weights_only=True)
            last(checkpoint)
            torch.save(checkpoint, path)
        return folder

    return change
