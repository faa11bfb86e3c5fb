"""Runs of timm, from weights, with averaged weights and with patience: used without the file of weights and the hub."""

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import sigma2r
from sigma2r.studies.fit import fit
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from tests.conftest import noise_image
from tests.models.test_backbones import as_safetensors, published
from tests.trained.conftest import QUIET


@pytest.fixture
def file(tmp_path) -> Path:
    as_safetensors(published("test_efficientnet", classes=0).state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


@pytest.fixture
def run(tiny, file, tmp_path) -> Run:
    shutil.copytree(tiny.removeprefix("folder:"), tmp_path / "photos")
    return Run(
        dataset=f"folder:{tmp_path / 'photos'}", model="timm:test_efficientnet", weights=str(file), image_size=32,
        feature_dim=3, epochs=2, batch_size=36, loss="center@0.1", lr=0.01, measure_every=1,
    )  # fmt: skip


def in_colours(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        gray = Image.open(path).convert("L")
        Image.merge("RGB", (gray, gray.point(lambda value: 255 - value), gray)).save(path)


@pytest.mark.parametrize("coloured", [False, True])
def test_a_run_from_weights_predicts_as_it_was_measured_without_their_file(run, file, coloured, tmp_path, monkeypatch):
    """Of gray images, which stand for the three colours of the weights, and of coloured ones."""
    if coloured:
        in_colours(Path(run.dataset.removeprefix("folder:")))
    record = train(run, tmp_path / "run", QUIET)
    assert record.image_shape == ((3 if coloured else 1), 32, 32)
    file.unlink()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    trained = sigma2r.load(tmp_path / "run", device="cpu")
    predictions = trained.predict(run.dataset)
    assert round(predictions.accuracy, 6) == pytest.approx(record.final["test"]["accuracy"], abs=1e-6)
    one = tmp_path / "one.png"
    noise = noise_image(32, 32, 60)
    (Image.merge("RGB", (noise, noise.rotate(90), noise.rotate(180))) if coloured else noise).save(one)
    pixels = torch.frombuffer(bytearray(Image.open(one).tobytes()), dtype=torch.uint8).double() / 255
    channels = pixels.view(32, 32, -1).permute(2, 0, 1) if coloured else pixels.view(1, 32, 32).expand(3, 32, 32)
    mean, std = (torch.tensor(record.started_from[key]).double().view(3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        wanted = trained.model(((channels - mean) / std).float()[None])[0]
    assert_close(trained.embed([one]), wanted, rtol=1e-4, atol=1e-4)


def test_a_run_with_averaged_weights_is_used_with_these(run, tmp_path):
    averaged = dataclasses.replace(run, ema=0.8, validation_fraction=0.25)
    record, fitted = train(averaged, tmp_path / "run", QUIET), fit(averaged, QUIET)
    for name in ("last", "best"):
        trained = sigma2r.load(tmp_path / "run", name, device="cpu")
        held = torch.load(tmp_path / f"run/checkpoints/{name}.ckpt", weights_only=True)
        assert not torch.equal(held["state_dict"]["model.head.weight"], held["trained_weights"]["model.head.weight"])
        assert torch.equal(trained.model.head.weight, held["state_dict"]["model.head.weight"])
        figures = record.history[trained.epoch - 1]["test"]
        assert round(trained.predict(run.dataset).accuracy, 6) == pytest.approx(figures["accuracy"], abs=1e-6)
    last = sigma2r.load(tmp_path / "run", device="cpu")
    assert all(torch.equal(value, last.model.state_dict()[name]) for name, value in fitted.model.state_dict().items())
    assert torch.equal(last.centers, fitted.criterion.auxiliary.centers)


def test_a_run_that_ended_before_its_time_has_a_last_and_a_best(run, tmp_path):
    """Its rates are 0, so nothing rises after the first epoch."""
    still = dataclasses.replace(run, lr=0.0, loss_lr=0.0, freeze="all", epochs=9, patience=2, validation_fraction=0.25)
    record = train(still, tmp_path / "run", QUIET)
    assert record.stopped["epoch"] == 3
    assert sigma2r.load(tmp_path / "run", device="cpu").epoch == 3
    assert sigma2r.load(tmp_path / "run", "best", device="cpu").epoch == 1


def test_images_for_validation_of_their_own_give_a_best(run, tmp_path):
    root = Path(run.dataset.removeprefix("folder:"))
    for path in sorted((root / "test").rglob("*.png")):
        beside = root / "val" / path.relative_to(root / "test")
        beside.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).rotate(90).save(beside)
    record = train(run, tmp_path / "run", QUIET)
    best = sigma2r.load(tmp_path / "run", "best", device="cpu")
    judged = [entry["validation"]["accuracy"] for entry in record.history]
    assert best.epoch == judged.index(max(judged)) + 1


def test_without_timm_one_sentence_says_how_to_install_it(run, tmp_path, monkeypatch):
    train(dataclasses.replace(run, epochs=1), tmp_path / "run", QUIET)
    monkeypatch.setitem(sys.modules, "timm", None)
    assert Record.read(tmp_path / "run/record.json").run.model == "timm:test_efficientnet"
    with pytest.raises(ImportError, match=r'^a model of timm needs more .*: pip install "sigma2r\[timm\]"$'):
        sigma2r.load(tmp_path / "run", device="cpu")
