"""A data set that trains in a second."""

import sys
from pathlib import Path

import pytest

from sigma2r.studies.run import Run
from tests.conftest import noise_image


@pytest.fixture(autouse=True)
def _paths_of_modules(monkeypatch):
    """Folders of one test's own code are not looked in by the next."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> str:
    """Three classes of 16 x 16 images, 24 to train and 9 to test with in each, told apart by brightness."""
    root: Path = tmp_path_factory.mktemp("tiny")
    for split, count in (("train", 24), ("test", 9)):
        for k, name in enumerate(("dark", "gray", "light")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                image = noise_image(16, 16, 20 + i, seed=1000 * count + 100 * k + i)
                image.point(lambda v, k=k: v // 4 + 60 * k).save(folder / f"{i}.png")
    return f"folder:{root}"


@pytest.fixture
def tiny_run(tiny) -> Run:
    return Run(dataset=tiny, feature_dim=2, epochs=4, batch_size=36, lr=3e-3, loss_options={"neighbors": 3})
