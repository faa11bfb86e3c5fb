"""Folders with val/ beside test/, and folders of classes alone, of which test images are set aside."""

import os
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from sigma2r.data import FolderImages, ImageData, fingerprint, load_images
from sigma2r.data.folder import folder_images
from sigma2r.data.layout import is_undivided, listed_folders
from sigma2r.data.splits import load_splits
from tests.data.test_tree import colour, loaded, warned


def classes(folder: Path, names=("cat", "dog", "fox"), count=10, first=0) -> Path:
    """Class folders of images that can be told apart by their color."""
    for k, name in enumerate(names):
        for number in range(count):
            colour(folder / name / f"{number}.png", (first + number, 40 * k, 7))
    return folder


@pytest.fixture
def divided(tmp_path) -> Path:
    for first, (split, count) in enumerate({"train": 6, "test": 4, "val": 3}.items()):
        classes(tmp_path / "set" / split, count=count, first=100 * (first != 0) + 50 * (first == 2))
    return tmp_path / "set"


@pytest.fixture
def undivided(tmp_path) -> Path:
    return classes(tmp_path / "set")


def reds(data, indices=None) -> list[int]:
    images = data.images if isinstance(data, ImageData) else torch.stack([data[i][0] for i in range(len(data))])
    return (images if indices is None else images[indices])[:, 0, 0, 0].tolist()


# val/ beside train/ and test/


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_val_beside_test_is_for_validation(divided, name):
    (divided / "val").rename(divided / name)
    found = {}
    assert warned(lambda: found.update(load_splits(f"folder:{divided}"))) == []
    assert {split: len(each) for split, each in found.items()} == {"train": 18, "test": 12, "validation": 9}
    assert reds(found["validation"].data) == [150, 151, 152] * 3
    assert reds(found["test"].data) == [100, 101, 102, 103] * 3
    assert found["validation"].labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert torch.equal(loaded(divided, "val").images, found["validation"].data.images)


def test_val_stands_for_test_alone_where_there_is_none(divided):
    shutil.rmtree(divided / "test")
    with pytest.warns(UserWarning, match=r"has no test/; val/ is taken for it"):
        found = load_splits(f"folder:{divided}", validation_fraction=0.5)
    assert reds(found["test"].data) == [150, 151, 152] * 3
    assert found["validation"].data is found["train"].data
    with pytest.raises(ValueError, match=r"must have images of val; it has none"):
        loaded(divided, "val")


@pytest.mark.message
def test_a_share_beside_images_for_validation_is_refused_before_any_is_decoded(divided, monkeypatch):
    monkeypatch.setattr("sigma2r.data.folder.read_pixels", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(
        ValueError,
        match=rf"^folder:{divided}: validation_fraction sets training images aside .*; got 0.1\. Leave it out",
    ):
        load_splits(f"folder:{divided}", validation_fraction=0.1)


@pytest.mark.message
def test_classes_of_val_are_those_of_train(divided):
    shutil.rmtree(divided / "val/dog")
    with pytest.raises(ValueError, match=r"^folder: .*/val must have .*; they differ in: dog\. --missing_classes true"):
        load_splits(f"folder:{divided}")
    assert load_splits(f"folder:{divided}", missing_classes=True)["validation"].labels.tolist() == [0] * 3 + [2] * 3
    colour(divided / "val/Cat/0.png", "red")
    with pytest.raises(ValueError, match=r"they differ in: Cat, dog\. 'Cat' of val/ and|they differ in: Cat, dog"):
        load_splits(f"folder:{divided}", missing_classes=True)
    shutil.rmtree(divided / "val/Cat")
    for path in (divided / "val/cat").iterdir():
        path.unlink()
    (divided / "val/dog").mkdir()
    with pytest.raises(ValueError, match=r"each class must have images; .*/val/cat has none"):
        load_splits(f"folder:{divided}")


def test_colors_in_val_make_all_images_colored_and_its_damage_is_told(divided, tmp_path):
    for path in divided.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    assert loaded(divided).image_shape == (1, 8, 8)
    colour(divided / "val/fox/9.png", "red")
    assert {loaded(divided, split).image_shape for split in ("train", "test", "val")} == {(3, 8, 8)}
    (divided / "val/fox/9.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"val/fox/9.png must be a readable image"):
        load_splits(f"folder:{divided}")


def test_no_image_both_trains_or_tests_and_validates_by_a_link(divided):
    (divided / "val/cat/9.png").symlink_to(divided / "train/cat/0.png")
    with pytest.raises(
        ValueError, match=r"^folder: an image must be of one class and of one split; .*by a link\. Take"
    ):
        load_splits(f"folder:{divided}")
    (divided / "val/cat/9.png").unlink()
    (divided / "val/cat/9.png").hardlink_to(divided / "test/cat/0.png")
    with pytest.warns(UserWarning, match=r"several names \(hard links\) .*, such as test/cat/0.png and val/cat/9.png"):
        load_splits(f"folder:{divided}")


def test_folders_of_val_are_listed_so_that_nothing_is_written_there(divided):
    assert (divided / "val/cat").stat().st_ino in {number for _, number in listed_folders(divided)}


# Class folders alone


def test_class_folders_alone_are_divided_by_class(undivided):
    name = f"folder:{undivided}"
    (told,) = warned(lambda: load_splits(name))
    assert told == (
        f"folder: {undivided} says of no image that it is for the test; 0.2 of each class are set aside, 6 of 30 "
        "images, in every run the same. --test_fraction 0.2 says so, and --test_seed chooses others."
    )
    asked = {}
    assert warned(lambda: asked.update(load_splits(name, test_fraction=0.2))) == []  # it is known then
    with pytest.warns(UserWarning, match="set aside"):
        usual = load_splits(name)
    for found in (usual, asked):
        assert {split: each.labels.bincount().tolist() for split, each in found.items()} == {
            "train": [8, 8, 8],
            "test": [2, 2, 2],
        }
        together = [*reds(found["train"].data), *reds(found["test"].data)]
        assert sorted(together) == sorted([*range(10)] * 3)
        assert found["train"].data.class_names == found["test"].data.class_names == ("cat", "dog", "fox")
        assert (found["test"].chosen.fraction, found["test"].chosen.seed, found["train"].chosen) == (0.2, 0, None)
    assert torch.equal(usual["test"].data.images, asked["test"].data.images)
    for split in ("train", "test"):
        assert torch.equal(loaded(undivided, split, test_fraction=0.2).images, usual[split].data.images)


def test_share_and_seed_decide_and_the_order_of_the_data_does_not(undivided):
    name = f"folder:{undivided}"
    half = load_splits(name, test_fraction=0.5)
    assert half["test"].labels.bincount().tolist() == [5, 5, 5]
    tests = [reds(load_splits(name, test_fraction=0.3, test_seed=seed, seed=other)["test"].data)
             for seed, other in ((0, 0), (0, 1), (1, 0), (2, 0))]  # fmt: skip
    assert tests[0] == tests[1]
    assert len({tuple(test) for test in tests}) == 3
    assert all(
        set(few) <= set(many)
        for few, many in zip(_by_class(tests[0], 3), _by_class(reds(half["test"].data), 5), strict=True)
    )


def _by_class(values, count):
    return [values[i : i + count] for i in range(0, len(values), count)]


def test_the_same_images_are_test_images_elsewhere_and_on_disk(undivided, tmp_path):
    shutil.copytree(undivided, tmp_path / "copy")
    wanted = loaded(undivided, "test", test_fraction=0.2)
    assert torch.equal(loaded(tmp_path / "copy", "test", test_fraction=0.2).images, wanted.images)
    on_disk = folder_images(undivided, "test", None, 1, test_fraction=0.2)
    assert isinstance(on_disk, FolderImages)
    assert reds(on_disk) == reds(wanted)
    assert on_disk.paths == list(wanted.paths)
    for most in (None, 1):
        first, other = (
            fingerprint(folder_images(undivided, "test", None, most, test_fraction=0.2, test_seed=seed))
            for seed in (0, 1)
        )
        assert first != other


def test_validation_comes_from_what_is_left(undivided):
    found = load_splits(f"folder:{undivided}", test_fraction=0.2, validation_fraction=0.25)
    assert {split: len(each) for split, each in found.items()} == {"train": 18, "test": 6, "validation": 6}
    seen = [*found["train"].indices.tolist(), *found["validation"].indices.tolist()]
    assert sorted(seen) == list(range(24))


@pytest.mark.message
def test_a_class_of_one_image_has_none_to_test_with(undivided):
    colour(undivided / "gnu/0.png", "red")
    with pytest.raises(
        ValueError,
        match=r"^folder: each class must have two images or more, .*has one of gnu\. --missing_classes true all",
    ):
        loaded(undivided, "train", test_fraction=0.2)
    test = loaded(undivided, "test", test_fraction=0.2, missing_classes=True)
    assert test.class_names == ("cat", "dog", "fox", "gnu")
    assert test.labels.unique().tolist() == [0, 1, 2]
    assert len(loaded(undivided, "train", test_fraction=0.2, missing_classes=True)) == 25
    for name in ("cat", "dog", "fox"):
        for number in range(1, 10):
            (undivided / name / f"{number}.png").unlink()
    with pytest.raises(
        ValueError, match=r"^folder: there must be a class of two images or more, .* has one image of each class\.$"
    ):
        loaded(undivided, "train", missing_classes=True)


@pytest.mark.message
@pytest.mark.parametrize("given", [{"test_fraction": 0.2}, {"test_seed": 1}])
def test_a_share_where_there_are_test_images_is_refused(divided, given):
    (name,) = given
    with pytest.raises(
        ValueError, match=rf"^folder: {name} is for class folders without .* has its test images in test/\."
    ):
        loaded(divided, **given)
    with pytest.raises(ValueError, match=rf"^fuzzy-rgb: {name} is for folder:PATH and csv:FILE"):
        load_images("fuzzy-rgb", "train", **given)
    shutil.rmtree(divided / "test")
    with pytest.raises(ValueError, match=r"has its test images in val/"):
        loaded(divided, **given)
    shutil.rmtree(divided / "val")
    with pytest.raises(ValueError, match=r"test/ is missing, it holds train/\."):
        loaded(divided, **given)


@pytest.mark.parametrize(
    "names",
    [("train", "other"), ("Train", "Test"), ("Training", "Testing"), ("TEST", "cat"), ("val", "cat", "dog"), ("Valid",),
     ("dev", "eval")],
)  # fmt: skip
def test_what_is_called_like_a_split_is_no_class(tmp_path, names):
    classes(tmp_path, names, count=2)
    assert not is_undivided(tmp_path)
    with pytest.raises(
        ValueError, match=r"(train|test)/ is missing, it holds|train must hold a folder for each class; it holds none"
    ):
        loaded(tmp_path)


def test_a_class_may_be_called_training_beside_others(tmp_path):
    classes(tmp_path, ("running", "training"), count=5)
    assert loaded(tmp_path, test_fraction=0.2).class_names == ("running", "training")


@pytest.mark.message
def test_a_folder_around_the_data_set_is_told_from_it(divided, tmp_path):
    with pytest.raises(
        ValueError, match=r"for each of several classes; it holds set/, which holds train/ and test/ its"
    ):
        loaded(tmp_path)
    shutil.copytree(divided, tmp_path / "other")
    with pytest.raises(ValueError, match=r"it holds other/, which holds train/ and test/ itself\. Name that one\."):
        loaded(tmp_path)
    with pytest.raises(ValueError, match=r"several classes; it holds cat/ alone\."):
        loaded(classes(tmp_path / "one", ("cat",)))
    classes(tmp_path / "more", ("cat", "dog"))
    (tmp_path / "more/notes").mkdir()
    (tmp_path / "more/notes/a.txt").write_text("")
    with pytest.raises(
        ValueError, match=r"more/notes has none\. Passed over .*has no train/ and test/, so that each folder"
    ):
        loaded(tmp_path / "more")


def test_names_of_the_system_and_files_beside_the_classes_are_passed_over_once(undivided):
    (undivided / ".ipynb_checkpoints").mkdir()
    (undivided / "README.md").write_text("")
    found = []
    (told,) = warned(lambda: found.append(load_splits(f"folder:{undivided}", test_fraction=0.2)))
    assert told.startswith(f"folder: in {undivided}: 2 names were passed over - ")
    assert found[0]["train"].data.class_names == ("cat", "dog", "fox")


def test_a_link_that_leads_to_itself_is_no_class_and_hides_none(undivided):
    (undivided / "zebra").symlink_to("zebra")
    (undivided / "yak").symlink_to("nowhere")
    with pytest.warns(
        UserWarning, match=r"beside the classes, links that lead nowhere, pipes or devices: 2 \(yak, zebra\)"
    ):
        assert loaded(undivided, test_fraction=0.2).class_names == ("cat", "dog", "fox")


def test_links_and_hard_links_are_settled_before_images_are_divided(undivided):
    for number in range(5):
        (undivided / f"cat/link{number}.png").symlink_to(f"{number}.png")
        (undivided / f"dog/hard{number}.png").hardlink_to(undivided / f"dog/{number}.png")
    with pytest.warns(UserWarning, match=r"links to images that are there already: 5"):
        found = load_splits(f"folder:{undivided}", test_fraction=0.5)
    assert len(found["train"]) + len(found["test"]) == 35
    sides = {red: {split for split in ("train", "test") for r, label in _told(found[split]) if (r, label) == (red, 1)}
             for red in range(10)}  # fmt: skip
    assert all(len(where) == 1 for where in sides.values())
    (undivided / "cat/x.png").symlink_to(undivided / "dog/1.png")
    with pytest.raises(ValueError, match=r"^folder: an image must be of one class and of one split; .*by a link"):
        load_splits(f"folder:{undivided}")


def _told(split):
    return list(zip(reds(split.data), split.labels.tolist(), strict=True))


def test_class_folders_may_be_links_and_results_lie_apart_from_them(undivided, tmp_path):
    farm = tmp_path / "farm"
    farm.mkdir()
    for name in ("cat", "dog", "fox"):
        (farm / name).symlink_to(undivided / name)
    assert torch.equal(loaded(farm, test_fraction=0.2).images, loaded(undivided, test_fraction=0.2).images)
    assert (undivided / "fox").stat().st_ino in {number for _, number in listed_folders(farm)}


def test_nothing_is_read_twice_for_a_run(undivided, monkeypatch):
    scanned = []
    scandir = os.scandir
    monkeypatch.setattr("sigma2r.data.tree.os.scandir", lambda path: scanned.append(str(path)) or scandir(path))
    load_splits(f"folder:{undivided}", test_fraction=0.2)
    inside = [path for path in scanned if path != str(undivided)]
    assert sorted(inside) == sorted(f"{undivided}/{name}" for name in ("cat", "dog", "fox"))


def test_no_warning_is_left_to_chance(divided):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_splits(f"folder:{divided}")
