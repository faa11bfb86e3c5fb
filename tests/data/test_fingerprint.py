"""A fingerprint follows what a data set means, and nothing else."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from sigma2r.data import ImageData, _statuses, fingerprint, load_images
from sigma2r.data.folder import folder_images
from sigma2r.data.names import is_hidden
from tests.data.test_datasets import write_images

MODULE = sys.modules["sigma2r.data.fingerprint"]  # the package gives the function under this name
PLACES = pytest.mark.parametrize("most", [2**30, 1], ids=["in memory", "on disk"])


def of(root: Path, most: int, split: str = "train", **options) -> str:
    return fingerprint(folder_images(root, split, in_memory_bytes=most, **options))


def overwrite(path: Path) -> None:
    """Another image in a file of the same length and the same time."""
    before, status = path.read_bytes(), path.stat()
    image = Image.open(path)
    image.putpixel((3, 3), (255 - image.getpixel((3, 3))[0], 9, 9))
    image.save(path.with_suffix(".bmp"))
    path.unlink()
    changed = path.with_suffix(".bmp").read_bytes()
    path.with_suffix(".bmp").unlink()
    path.write_bytes(changed)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(changed) == len(before)
    assert changed != before


@pytest.fixture
def root(tmp_path) -> Path:
    """Two classes in files whose length does not depend on what is seen in them."""
    root = write_images(tmp_path / "set")
    for path in root.rglob("*.png"):
        image = Image.open(path).copy()
        image.save(path, "BMP")
    return root


@PLACES
@pytest.mark.parametrize(
    "change",
    [
        lambda r: (r / "train/cat/1.png").unlink(),
        lambda r: shutil.copy(r / "train/cat/1.png", r / "train/cat/9.png"),
        lambda r: overwrite(r / "train/dog/2.png"),
        lambda r: [(r / split / "dog").rename(r / split / "fox") for split in ("train", "test")],
        lambda r: [shutil.copytree(r / split / "dog", r / split / "fox") for split in ("train", "test")],
        lambda r: shutil.move(r / "train/dog/0.png", r / "train/cat/9.png"),
        lambda r: (r / "train/cat/0.png").rename(r / "train/cat/9.png"),
    ],
    ids=["deleted", "added", "overwritten", "class renamed", "class added", "label changed", "order changed"],
)
def test_what_changes_the_meaning_changes_the_fingerprint(root, change, most):
    before = of(root, most)
    assert len(before) == 16
    assert int(before, 16) >= 0
    change(root)
    assert of(root, most) != before


@PLACES
def test_another_place_another_time_and_another_listing_do_not(root, tmp_path, monkeypatch, most):
    before = of(root, most)
    shutil.copytree(root, tmp_path / "elsewhere/deep", copy_function=shutil.copyfile)
    assert of(tmp_path / "elsewhere/deep", most) == before
    monkeypatch.chdir(root)
    assert of(Path(), most) == before
    assert of(Path("train/.."), most) == before
    for path in root.rglob("*.png"):
        os.utime(path, (1, 1))
    assert of(root, most) == before
    scandir = os.scandir

    class Backwards:
        def __init__(self, path) -> None:
            self.entries = sorted(scandir(path), key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_) -> None:
            pass

    monkeypatch.setattr("os.scandir", Backwards)
    assert of(root, most) == before


@PLACES
def test_what_does_not_count_does_not_change_it(root, most):
    before = of(root, most)
    (root / "train/cat/.DS_Store").write_text("x")
    assert is_hidden(".DS_Store")
    overwrite(root / "test/cat/0.png")  # of the other split
    with pytest.warns(UserWarning, match="passed over"):
        assert of(root, most) == before


@PLACES
def test_splits_and_how_images_are_brought_in_differ(root, most):
    told = {of(root, most), of(root, most, gray=True), of(root, most, image_size=4), of(root, most, image_size=5)}
    overwrite(root / "test/cat/0.png")
    assert len({*told, of(root, most, "test")}) == 5


def test_a_range_counts_where_images_stay_on_disk(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.new("F", (4, 4), 0.5).save(tmp_path / split / "a/0.tif")
    assert of(tmp_path, 1, pixel_range=(0, 1)) != of(tmp_path, 1, pixel_range=(0, 2))
    assert of(tmp_path, 1, pixel_range=(0, 1)) == of(tmp_path, 1, pixel_range=[0.0, 1.0])


def test_every_pixel_label_and_name_of_images_in_memory_counts(generator):
    images = torch.randint(0, 256, (50, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(50) % 2
    names = ("a", "b")
    before = fingerprint(ImageData(images, labels, names))
    assert fingerprint(ImageData(images.clone(), labels.clone(), tuple(names))) == before
    strided = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert fingerprint(ImageData(strided, labels, names)) == before
    seen = {before}
    for place in (0, 5_000, images.numel() - 1):
        other = images.clone()
        other.view(-1)[place] += 1
        seen.add(fingerprint(ImageData(other, labels, names)))
    seen.add(fingerprint(ImageData(images, labels.flip(0), names)))
    seen.add(fingerprint(ImageData(images, labels, ("a", "c"))))
    seen.add(fingerprint(ImageData(images, labels, ("b", "a"))))
    seen.add(fingerprint(ImageData(images, labels, ("a", "b", "c"))))
    seen.add(fingerprint(ImageData(images.view(50, 1, 24, 8), labels, names)))
    seen.add(fingerprint(ImageData(images[:-1], labels[:-1], names)))
    assert len(seen) == 10


def test_all_parts_of_a_large_set_count(monkeypatch):
    monkeypatch.setattr(MODULE, "_PART", 100)
    images = torch.zeros(40, 1, 6, 6, dtype=torch.uint8)
    before = fingerprint(ImageData(images, torch.zeros(40, dtype=torch.int64), ("a",)))
    for place in (0, 20, 39):
        other = images.clone()
        other[place] = 1
        assert fingerprint(ImageData(other, torch.zeros(40, dtype=torch.int64), ("a",))) != before


def test_built_in_data_have_one_too():
    # Made from a seed: the same on every machine, and golden, so that a change of what it means is noticed.
    assert fingerprint(load_images("fuzzy-rgb", "test")) == "ce297d8b7e2ecc78"


def test_files_are_read_again_only_where_something_changed(root, monkeypatch):
    data = folder_images(root, "train", in_memory_bytes=1)
    read = []
    hashed = MODULE._hashed
    monkeypatch.setattr(MODULE, "_hashed", lambda path: (read.append(path), hashed(path))[1])
    before = fingerprint(data)
    assert fingerprint(data) == before
    assert len(read) == 12  # just written: they could change again within the clock's tick
    monkeypatch.setattr(_statuses, "_SETTLED_S", -1.0)
    assert [fingerprint(data) for _ in range(3)] == [before] * 3
    assert len(read) == 18
    overwrite(root / "train/cat/1.png")
    assert fingerprint(data) != before
    assert len(read) == 24


@pytest.mark.message
def test_a_file_that_is_gone_is_named(root):
    data = folder_images(root, "train", in_memory_bytes=1)
    (root / "train/cat/1.png").unlink()
    with pytest.raises(ValueError, match=r"^folder: .*cat/1.png must be a readable image: No such file"):
        fingerprint(data)
