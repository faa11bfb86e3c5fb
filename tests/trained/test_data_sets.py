"""A data set by its name gives the images that the run trained, validated and tested on, seen as it saw them."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sigma2r
from sigma2r.studies.data import load as load_data
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where
from tests.trained.conftest import QUIET

SIZES = [(20, 31), (33, 18), (16, 16), (25, 25), (40, 17), (19, 22)]


def photos(root: Path, places: dict[str, int], *, gray: bool = False, deep: bool = False) -> Path:
    """Images of several sizes in each place, no two alike."""
    generator = np.random.default_rng(0)
    for k, (place, count) in enumerate(places.items()):
        for i in range(count):
            width, height = SIZES[i % len(SIZES)]
            path = root / place / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if deep:
                values = generator.integers(500 * k, 500 * k + 3000, (height, width)).astype(np.uint16)
            else:
                values = generator.integers(0, 256, (height, width) if gray else (height, width, 3)).astype(np.uint8)
            Image.fromarray(values).save(path)
    return root


def listing(root: Path, splits: tuple[str, ...]) -> Path:
    """A csv file of images that lie anyhow."""
    photos(root / "store", {"x": 24, "y": 24})
    rows = [f"store/{place}/{i}.png,{place}" for place in "xy" for i in range(24)]
    told = [f"{row},{splits[i % len(splits)]}" for i, row in enumerate(rows)] if splits else rows
    (root / "images.csv").write_text("\n".join([f"path,label{',split' * bool(splits)}", *told]))
    return root / "images.csv"


UNDIVIDED = {"cat": 24, "dog": 20}
DIVIDED = {"train/cat": 24, "train/dog": 18, "test/cat": 6, "test/dog": 5}
WITH_VAL = {**DIVIDED, "val/cat": 6, "val/dog": 4}
WAYS = {
    "crop": (lambda root: photos(root, UNDIVIDED), {"image_size": 16, "resize": "crop", "test_fraction": 0.3}),
    "stretch": (lambda root: photos(root, UNDIVIDED), {"image_size": 16, "resize": "stretch", "test_seed": 5}),
    "gray": (lambda root: photos(root, DIVIDED), {"image_size": 16, "gray": True, "validation_fraction": 0.3}),
    "gray files": (lambda root: photos(root, WITH_VAL, gray=True), {"image_size": 16}),
    "RGB of gray files": (lambda root: photos(root, WITH_VAL, gray=True), {"image_size": 16, "gray": False}),
    "range": (lambda root: photos(root, UNDIVIDED, deep=True), {"image_size": 16, "pixel_range": (100.0, 3400.0)}),
    "csv": (lambda root: listing(root, ()), {"image_size": 16, "test_fraction": 0.25, "validation_fraction": 0.2}),
    "csv of splits": (lambda root: listing(root, ("train", "train", "val", "test")), {"image_size": 16}),
}


@pytest.mark.parametrize("way", WAYS)
def test_features_are_those_of_the_images_that_training_loads(tmp_path, way):
    make, settings = WAYS[way]
    place = make(tmp_path / "data")
    dataset = f"{'csv' if place.suffix else 'folder'}:{place}"
    run = Run(dataset=dataset, epochs=1, batch_size=16, loss="center@0.1", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = train(run, tmp_path / "run", QUIET)
        splits = load_data(run, Where())
    trained = sigma2r.load(tmp_path / "run", device="cpu")
    ours = {"train": "train", "test": "test", "validation": "val"}
    assert {"train", "test"} <= splits.keys()
    for name, split in splits.items():
        rows = torch.arange(len(split.data)) if name == "train" else split.indices  # a share of train stays in train
        with warnings.catch_warnings():
            warnings.filterwarnings("error")
            warnings.filterwarnings("ignore", message=".*channels of colour")
            got = trained.predict(dataset, split=ours[name])
        assert [Path(path) for path in got.names] == [split.data.paths[row] for row in rows]
        assert got.targets.tolist() == split.data.labels[rows].tolist()
        with torch.no_grad():
            features, logits = trained.model(trained.preprocess(split.data.images[rows]))
        assert torch.equal(got.features, features)
        assert torch.equal(got.logits, logits)
        if name != "train":
            assert float(f"{got.accuracy:.7g}") == record.final[name]["accuracy"]


@pytest.fixture(scope="module")
def undivided(tmp_path_factory) -> tuple[Path, Path]:
    """A folder of images without splits, and a run on it."""
    root = tmp_path_factory.mktemp("undivided")
    photos(root / "photos", UNDIVIDED)
    run = Run(dataset=f"folder:{root / 'photos'}", image_size=16, epochs=1, batch_size=16, loss="center@0.1",
              test_fraction=0.4, test_seed=7)  # fmt: skip
    train(run, root / "run", QUIET)
    return root / "photos", root / "run"


def test_data_that_were_moved_have_the_same_test_images(undivided, tmp_path):
    place, run = undivided
    trained = sigma2r.load(run, device="cpu")
    expected = trained.predict(f"folder:{place}")
    assert 0 < len(expected) < sum(UNDIVIDED.values()) / 2
    (tmp_path / "link").symlink_to(place)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(trained.source(f"folder:{tmp_path / 'link'}/")) == len(expected)
    shutil.copytree(place, tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="18 of 44 are taken as those of test, as a training with --test_fraction 0.4"):
        moved = trained.predict(f"folder:{tmp_path / 'elsewhere'}")
    assert [Path(name).relative_to(tmp_path / "elsewhere") for name in moved.names] == [
        Path(name).relative_to(place) for name in expected.names
    ]
    assert torch.equal(moved.features, expected.features)


def test_data_that_have_changed_since_are_told(undivided, tmp_path):
    place, run = undivided
    shutil.copytree(run, tmp_path / "run")
    Image.new("RGB", (16, 16)).save(place / "cat/new.png")
    try:
        trained = sigma2r.load(tmp_path / "run", device="cpu")
        with pytest.warns(UserWarning, match=r"other images than when the run was trained on it \(45 now, 44 then\)"):
            trained.source(f"folder:{place}")
    finally:
        (place / "cat/new.png").unlink()


def test_validation_images_of_data_that_are_not_the_runs_are_none(made, undivided, tmp_path):
    place, run = undivided
    with pytest.raises(ValueError, match=r"^images: folder:\S+ must have images of val; it has none\.$"):
        sigma2r.load(run, device="cpu").source(f"folder:{place}", split="val")
    photos(tmp_path / "other", DIVIDED)
    with pytest.raises(ValueError, match="The run set some of fuzzy-rgb aside for validation: name that"):
        sigma2r.load(made, device="cpu").source(f"folder:{tmp_path / 'other'}", split="val")
    validation = sigma2r.load(made, device="cpu").source("fuzzy-rgb", split="val")
    assert len(validation) == 900
    assert len(set(validation.names)) == 900
