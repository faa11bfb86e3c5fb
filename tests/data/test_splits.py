"""Which images train, validate and test; of a data set of which every image can be told apart."""

from pathlib import Path

import pytest
import torch

from sigma2r.data import ImageData, splits
from sigma2r.data.splits import load_splits


def images(split, names=("a", "b", "c"), side=8):
    """Images of one brightness each: 0 to 29 to train, 100 to 114 to test."""
    first, count = (0, 30) if split == "train" else (100, 15)
    pixels = torch.arange(first, first + count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, side, side)
    return ImageData(pixels.clone(), torch.arange(count) % 3, names)


@pytest.fixture
def loaded(monkeypatch):
    monkeypatch.setattr(splits, "_load_once", lambda name, split, **_: images(split))


def brightness(split):
    return split.data.images[split.indices, 0, 0, 0].tolist()


def test_splits_hold_their_own_images_and_no_others(loaded):
    found = load_splits("fuzzy-rgb", validation_fraction=0.2, seed=3)
    assert {name: len(split) for name, split in found.items()} == {"train": 24, "test": 15, "validation": 6}
    assert brightness(found["test"]) == list(range(100, 115))
    assert sorted(brightness(found["train"]) + brightness(found["validation"])) == list(range(30))
    assert found["validation"].labels.bincount().tolist() == [2, 2, 2]
    assert set(load_splits("fuzzy-rgb")) == {"train", "test"}


def test_the_seed_decides_what_is_set_aside_and_what_is_used(loaded):
    first, same, other = (
        {name: brightness(split) for name, split in
         load_splits("fuzzy-rgb", validation_fraction=0.2, images_per_class=4, seed=seed).items()}
        for seed in (3, 3, 4)
    )  # fmt: skip
    assert first == same
    assert first["validation"] != other["validation"]
    assert first["train"] != other["train"]
    assert (len(first["train"]), first["test"]) == (12, other["test"])
    assert not set(first["train"]) & set(first["validation"])


@pytest.mark.parametrize(
    ("others", "what"), [({"names": ("a", "c", "b")}, "class_names"), ({"side": 10}, "image_shape")]
)
def test_train_and_test_must_be_alike(monkeypatch, others, what):
    monkeypatch.setattr(
        splits, "_load_once", lambda name, split, **_: images(split, **(others if split == "test" else {}))
    )
    with pytest.raises(ValueError, match=f"fuzzy-rgb: {what} must be the same in train and test"):
        load_splits("fuzzy-rgb")


@pytest.mark.parametrize("names", [("a", "a", "b"), ("a", "b", "b"), ("", "x", "")])
def test_class_names_must_differ(monkeypatch, names):
    monkeypatch.setattr(splits, "_load_once", lambda name, split, **_: images(split, names=names))
    twice = next(name for name in names if names.count(name) > 1)
    with pytest.raises(ValueError, match=f"fuzzy-rgb: class_names must differ; '{twice}' is there twice"):
        load_splits("fuzzy-rgb")


def test_a_share_that_sets_nothing_aside_is_refused(loaded):
    with pytest.raises(ValueError, match=r"validation_fraction 0.01 sets no image aside"):
        load_splits("fuzzy-rgb", validation_fraction=0.01)


def test_images_of_a_data_set_tell_their_shape():
    data = ImageData(torch.zeros(5, 3, 8, 9, dtype=torch.uint8), torch.tensor([0, 1, 0, 1, 0]), ("a", "b"))
    assert (data.image_shape, len(data)) == ((3, 8, 9), 5)


@pytest.mark.parametrize("names", [("data_dir",), ("download",), ("data_dir", "download")])
def test_where_to_look_is_not_ignored_in_silence(loaded, names):
    given = {name: {"data_dir": Path("there"), "download": True}[name] for name in names}
    with pytest.warns(UserWarning, match=f"fuzzy-rgb: {' and '.join(names)} is ignored: its images are made") as told:
        load_splits("fuzzy-rgb", **given)
    assert len(told) == 1
    load_splits("cifar10", **given)
    with pytest.warns(UserWarning, match="folder:nowhere: .* is ignored"), pytest.raises(ValueError, match="nowhere"):
        load_splits("folder:nowhere", **given)
