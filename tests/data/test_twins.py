"""No image trains and tests, or has two classes, because links lead to it twice; hard links are told."""

import os
import re
import shutil
from pathlib import Path

import pytest
import torch

from sigma2r.data import _statuses
from sigma2r.data.folder import folder_images
from tests.data.test_datasets import write_images
from tests.data.test_tree import colour, loaded, warned


@pytest.fixture
def root(tmp_path) -> Path:
    return write_images(tmp_path / "set")


def linked(root: Path, where: str, target: str) -> None:
    """Let a path be a link to another, whatever was there; a target that is not there yet is what was there."""
    path, to = root / where, root / target
    if not to.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(os.path.relpath(to, path.parent))


OUT = f"{os.pardir}/store"
SPLITS = {  # links as (where, target), and what is told to be one
    "test to train": ([("test", "train")], "train", "test"),
    "train to test": ([("train", "test")], "train", "test"),
    "both to one": ([("train", OUT), ("test", OUT)], "train", "test"),
    "a class to its own of train": ([("test/cat", "train/cat")], "train/cat", "test/cat"),
    "a class to another of train": ([("test/cat", "train/dog")], "train/dog", "test/cat"),
    "a class of both to one": ([("train/dog", OUT), ("test/dog", OUT)], "train/dog", "test/dog"),
    "a link to a link": ([("train/dog", OUT), ("test/dog", "train/dog")], "train/dog", "test/dog"),
    "a folder within a class": ([("test/cat/more", "train/cat")], "train/cat", "test/cat/more"),
    "all of train within a class of test": ([("test/cat/more", "train")], "train", "test/cat/more"),
    "a class of test within one of train": ([("train/cat/a", "test/dog")], "train/cat/a", "test/dog"),
}


@pytest.mark.message
@pytest.mark.parametrize(("links", "train", "test"), SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("asked", ["train", "test"])
def test_a_folder_that_would_train_and_test_is_refused(root, links, train, test, asked):
    for where, target in links:
        linked(root, where, target)
    with pytest.raises(
        ValueError, match=rf"^folder: no folder may both train and test; .*/{train} and .*/{test} are one\. Take one"
    ) as refused:
        loaded(root, asked)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_what_stands_for_test_is_not_train_by_another_name(root, name):
    shutil.rmtree(root / "test")
    linked(root, name, "train")
    with (
        pytest.warns(UserWarning, match=f"{name}/ is taken for it"),
        pytest.raises(ValueError, match=rf"both train and test; .*/train and .*/{name} are one"),
    ):
        loaded(root, "test")
    write_images(root.parent / "other")
    (root.parent / "other/test").rename(root / "test")
    for split in ("train", "test", "val"):  # beside test/ it is for validation
        with pytest.raises(ValueError, match=rf"both train and validate; .*/train and .*/{name} are one"):
            loaded(root, split)
    (root / name).unlink()
    linked(root, name, "test")
    with pytest.raises(ValueError, match=rf"both test and validate; .*/test and .*/{name} are one"):
        loaded(root, "train")


CLASSES = {
    "both to one": [("train/cat", OUT), ("train/dog", OUT)],
    "one to the other": [("train/cat", "train/dog")],
    "within the other": [("train/cat/more", "train/dog")],
    "a folder of both": [("train/cat/more", f"{OUT}/deep"), ("train/dog/more", f"{OUT}/deep")],
    "a folder of the other's": [("train/cat/more", f"{OUT}/deep"), ("train/dog/more", OUT)],
}


@pytest.mark.message
@pytest.mark.parametrize("links", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_folder_that_would_be_of_two_classes_is_refused(root, links, split):
    if any("deep" in target for _, target in links):
        colour(root.parent / "store/deep/9.png", (9, 9, 9))
    for where, target in links:
        linked(root, where.replace("train", split), target.replace("train", split))
    two = rf"\S*/{split}/(cat|dog)\S* and \S*/{split}/(cat|dog)\S*"
    with pytest.raises(
        ValueError, match=rf"^folder: no folder may be of two classes; {two} are one\. Take one of them"
    ):
        loaded(root, split)


def test_a_folder_without_images_may_be_anywhere(root):
    (root.parent / "notes/old").mkdir(parents=True)
    (root.parent / "notes/old/about.txt").write_text("")
    for place in ("train/cat", "train/dog", "test/cat"):
        (root / place / "notes").symlink_to(root.parent / "notes")
    assert len(loaded_in_peace(root, "train")) == len(loaded_in_peace(root, "test")) == 6


def loaded_in_peace(root: Path, split: str):
    """Loaded, with no more said than what was passed over."""
    found = []
    said = warned(lambda: found.append(loaded(root, split)))
    assert [line for line in said if "passed over" not in line] == []
    return found[0]


@pytest.mark.message
@pytest.mark.parametrize("asked", ["train", "test"])
@pytest.mark.parametrize(
    ("where", "target"),
    [
        ("test/cat/9.png", "train/cat/0.png"),
        ("test/cat/0.png", "train/dog/1.png"),
        ("train/cat/9.png", "train/dog/1.png"),
        ("train/cat/deep/9.png", "train/dog/1.png"),
        ("test/dog/9.jpg", "test/cat/1.png"),
    ],
)
def test_an_image_that_a_link_gives_two_classes_or_splits_is_refused(root, where, target, asked):
    (root / where).parent.mkdir(exist_ok=True)
    linked(root, where, target)
    first, second = sorted((where, target), key=lambda path: (path == where, path))
    with pytest.raises(
        ValueError, match=rf"^folder: an image must be of one class and .*/{first} and .*/{second} are one, by a link\."
    ):
        loaded(root, asked)


@pytest.mark.message
def test_images_that_several_links_lead_to_are_counted(root):
    for number in range(3):
        colour(root.parent / f"{number}.png", (number, 9, 9))
        for place in ("train/cat", "test/dog"):
            (root / place / f"x{number}.png").symlink_to(root.parent / f"{number}.png")
    with pytest.raises(ValueError, match=r"train/cat/x0.png and .*test/dog/x0.png are one, by a link \(and so are 2 m"):
        loaded(root)


def test_links_to_one_image_within_a_class_count_once_and_are_told(root):
    colour(root.parent / "9.png", (9, 9, 9))
    for name in ("a.png", "b.png", "c.png"):
        (root / "train/cat" / name).symlink_to(root.parent / "9.png")  # none of them is the image itself
    (root / "train/cat/00.png").symlink_to("1.png")  # comes before what it leads to
    (root / "train/dog/more").mkdir()
    (root / "train/dog/more/x.png").symlink_to(root / "train/dog/0.png")
    (told,) = warned(lambda: loaded(root))
    assert (
        "4 names were passed over - links to images that are there already: 4 (cat/00.png, cat/b.png, cat/c.p" in told
    )
    with pytest.warns(UserWarning, match="4 names"):
        data = loaded(root)
    assert data.labels.tolist() == [0] * 4 + [1] * 3
    assert data.images[:4, 0, 0, 0].tolist() == [0, 1, 2, 9]
    assert warned(lambda: loaded(root, "test")) == []


def hard(root: Path, where: str, target: str) -> None:
    (root / where).unlink(missing_ok=True)
    (root / where).hardlink_to(root / target)


@pytest.mark.parametrize("place", ["test/cat", "test/dog", "train/dog"])
def test_hard_links_are_copies_that_are_told_where_they_contradict(root, place):
    for number in (0, 2):
        hard(root, f"{place}/{number}.png", f"train/cat/{number}.png")
    (told,) = warned(lambda: loaded(root))
    assert "has 2 images with several names (hard links) in two classes or in both splits, such as " in told
    assert f" train/cat/0.png and {place}/0.png; each name counts where it lies." in told
    assert warned(lambda: loaded(root, "test")) == []  # once is enough
    with pytest.warns(UserWarning, match="hard links"):
        assert len(loaded(root)) == 6
    assert len(loaded(root, "test")) == 6


def test_hard_links_within_a_class_are_copies(root):
    hard(root, "train/cat/9.png", "train/cat/0.png")
    assert warned(lambda: loaded(root)) == []
    assert len(loaded(root)) == 7


def test_a_link_beside_hard_links_is_no_class_more(root):
    """One file with a name in each of two classes; a link in either is a repetition, in a third one it is not."""
    hard(root, "train/dog/0.png", "train/cat/0.png")
    (root / "train/dog/9.png").symlink_to("0.png")
    said = warned(lambda: loaded(root))
    assert re.search(r"links to images that are there already: 1 \(dog/9.png\)", said[0])
    assert "1 image with several names (hard links)" in said[1]
    (root / "test/dog/9.png").symlink_to(root / "train/dog/0.png")
    with pytest.raises(ValueError, match=r"train/cat/0.png and .*test/dog/9.png are one, by a link"):
        loaded(root)


def test_a_tree_of_links_is_as_good_as_the_files(root, tmp_path):
    farm = tmp_path / "farm"
    for path in root.rglob("*.png"):
        (farm / path.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
        (farm / path.relative_to(root)).symlink_to(path)
    for split in ("train", "test"):
        assert torch.equal(loaded(farm, split).images, loaded(root, split).images)


def test_no_file_is_looked_at_twice_for_it(root, monkeypatch):
    """The statuses by which a change is noticed tell twins too."""
    looked = []
    stat = Path.stat
    monkeypatch.setattr(_statuses.Path, "stat", lambda self, **how: looked.append(self) or stat(self, **how))
    folder_images(root, "train", image_size=8)
    images = [path for path in looked if path.suffix == ".png"]
    assert len(images) == len(set(images)) == 12
