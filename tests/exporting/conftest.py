"""Runs that are trained once, and what was exported of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import sigma2r
from sigma2r.exporting import Exported
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.trained import Trained
from tests.studies.conftest import _paths_of_modules as _paths_of_modules
from tests.trained.conftest import QUIET
from tests.trained.conftest import clothes as clothes
from tests.trained.conftest import made as made
from tests.trained.conftest import tiny as tiny
from tests.trained.conftest import worn as worn


@pytest.fixture(scope="session")
def deep(tmp_path_factory) -> Path:
    """A ResNet18 whose loss normalises features, two images a class."""
    folder = tmp_path_factory.mktemp("deep") / "run"
    run = Run(
        dataset="fuzzy-rgb", model="resnet18", loss="center@0.1[normalize=true]", epochs=1, images_per_class=4,
        batch_size=12,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="far from scale"):
        train(run, folder, QUIET)
    return folder


@pytest.fixture(scope="session")
def exported(request, tmp_path_factory) -> Callable[[str, str], tuple[Trained, Exported]]:
    """A run of that name and its file of that format, written once."""
    held: dict[tuple[str, str], tuple[Trained, Exported]] = {}

    def of(name: str, kind: str) -> tuple[Trained, Exported]:
        if (name, kind) not in held:
            trained = sigma2r.load(request.getfixturevalue(name), device="cpu")
            out = tmp_path_factory.mktemp("files") / ("m.onnx" if kind == "onnx" else "m.pt2")
            held[name, kind] = trained, sigma2r.export(trained, out, kind)
        return held[name, kind]

    return of


@pytest.fixture
def pixels(generator) -> Callable[[Trained, int], torch.Tensor]:
    """So many images for a run: squares on noise."""

    def of(trained: Trained, count: int) -> torch.Tensor:
        images = torch.randint(0, 120, (count, *trained.frame.image_shape), generator=generator)
        for number in range(count):
            images[number, :, number : number + 9, 4:20] += 90
        return images.to(torch.uint8)

    return of
