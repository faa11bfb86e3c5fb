"""Data sets: real images, made images, and every kind of damage."""

import gzip
import os
import struct
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from sigma2r.data import FolderImages, ImageData, default_augmentation, load_images
from sigma2r.data.fashion_mnist import DEBIAN_FOLDER
from sigma2r.data.folder import folder_images
from sigma2r.data.fuzzy_rgb import fuzzy_rgb
from sigma2r.data.idx import read_idx
from sigma2r.data.preprocess import Preprocess
from tests.conftest import require


def test_fuzzy_rgb_is_what_the_paper_describes():
    train, test = (load_images("fuzzy-rgb", split) for split in ("train", "test"))
    assert train.images.shape == (9000, 3, 32, 32)
    assert torch.bincount(train.labels).tolist() == [3000] * 3
    assert torch.bincount(test.labels).tolist() == [500] * 3
    assert train.class_names == ("red", "green", "blue")
    colours = train.images[:, :, 0, 0]
    assert (train.images == colours[:, :, None, None]).all()  # one colour an image
    main = colours.gather(1, train.labels[:, None]).squeeze(1)
    noise = colours[torch.arange(3) != train.labels[:, None]]
    assert 51 <= main.min() < 53
    assert 253 < main.max() <= 255
    assert noise.min() == 0
    assert 50 <= noise.max() <= 51
    assert abs(float(main.float().mean()) - 0.6 * 255) < 3
    assert abs(float(noise.float().mean()) - 0.1 * 255) < 1


def test_the_largest_channel_of_fuzzy_rgb_always_names_the_class():
    for split in ("train", "test"):
        data = load_images("fuzzy-rgb", split)
        colours = data.images[:, :, 0, 0]
        assert (colours.gather(1, data.labels[:, None]).squeeze(1) == colours.max(1).values).all()


def test_brightness_is_rounded_to_the_nearest_and_reaches_its_bounds():
    data = fuzzy_rgb("train")
    colours = data.images[:, :, 0, 0]
    own = torch.nn.functional.one_hot(data.labels, 3).bool()
    assert (colours[own].min().item(), colours[own].max().item()) == (51, 255)
    assert (colours[~own].min().item(), colours[~own].max().item()) == (0, 51)


def test_no_test_image_of_fuzzy_rgb_takes_its_colours_from_a_training_image():
    train, test = (fuzzy_rgb(split).images[:500, :, 0, 0] for split in ("train", "test"))  # red ones in both
    assert (train == test).all(1).float().mean() < 0.01
    assert (train[:, 1:] == test[:, 1:]).all(1).float().mean() < 0.05


def test_fuzzy_rgb_is_the_same_each_time_and_its_splits_differ():
    train, again, test = (load_images("fuzzy-rgb", split) for split in ("train", "train", "test"))
    assert torch.equal(train.images, again.images)
    assert not torch.equal(train.images[:500, :, 0, 0], test.images[:500, :, 0, 0])
    assert load_images("fuzzy-rgb", "test", image_size=8).images.shape == (1500, 3, 8, 8)


def test_fashion_mnist_is_read_in_full():
    require("FashionMNIST (Debian: dataset-fashion-mnist)", DEBIAN_FOLDER.is_dir())
    train, test = (load_images("fashion-mnist", split) for split in ("train", "test"))
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert torch.bincount(train.labels).tolist() == [6000] * 10
    assert torch.bincount(test.labels).tolist() == [1000] * 10
    # The published mean and standard deviation of its training pixels.
    preprocess = Preprocess.fitted_to(train, torch.arange(60_000))
    assert_close(preprocess.mean.item() / 255, 0.2860, rtol=0, atol=1e-4)
    assert_close(preprocess.std.item() / 255, 0.3530, rtol=0, atol=1e-4)


def idx_bytes(values, magic=8):
    head = bytes([0, 0, magic, values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape)
    return head + values.to(torch.uint8).numpy().tobytes()


def write_tiny_fashion(folder: Path, suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", 20), ("t10k", 10)):
        images, labels = torch.arange(count * 16).view(count, 4, 4) % 256, torch.arange(count) % 10
        for name, values in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
            content = idx_bytes(values)
            (folder / (name + suffix)).write_bytes(gzip.compress(content) if suffix else content)


@pytest.mark.message
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
def test_no_file_of_fashion_mnist_is_of_both_splits(tmp_path, split, hard):
    write_tiny_fashion(tmp_path, ".gz")
    for part in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        test = tmp_path / f"t10k-{part}.gz"
        test.unlink()
        link = test.hardlink_to if hard else test.symlink_to
        link(tmp_path / f"train-{part}.gz")
    with pytest.raises(
        ValueError, match=r"^fashion-mnist: no file may both train and test; .*-images.* are one\. Fetch"
    ):
        load_images("fashion-mnist", split, data_dir=tmp_path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("below", ["", "FashionMNIST/raw"])
def test_idx_files_are_found_plain_or_gzipped_flat_or_in_torchvisions_layout(tmp_path, suffix, below):
    write_tiny_fashion(tmp_path / below, suffix)
    data = load_images("fashion-mnist", "train", data_dir=tmp_path)
    assert data.images.shape == (20, 1, 4, 4)
    assert data.images[1, 0, 0, 0] == 16
    assert data.labels.tolist() == [*range(10), *range(10)]


def test_the_environment_names_a_folder(tmp_path, monkeypatch):
    write_tiny_fashion(tmp_path)
    monkeypatch.setenv("SIGMA2R_DATA_DIR", str(tmp_path))
    assert len(load_images("fashion-mnist", "test")) == 10


def damage(name, change):
    def apply(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return apply


@pytest.mark.message
@pytest.mark.parametrize(
    ("suffix", "harm", "message"),
    [
        ("", lambda f: (f / "train-labels-idx1-ubyte").unlink(), r"train-labels-idx1-ubyte .* dataset-fashion-mnist"),
        ("", damage("train-images-idx3-ubyte", lambda b: b[:-7]), r"images.* must hold 320 bytes .* holds 313"),
        ("", damage("train-images-idx3-ubyte", lambda b: b[:9]), r"must hold a header of 16 bytes; it ends after 9"),
        ("", damage("train-images-idx3-ubyte", lambda b: b""), r"must begin with the magic number 00000803 .* nothing"),
        ("", damage("train-labels-idx1-ubyte", lambda b: b"\0\0\x0d\1" + b[4:]), r"magic number 00000801 .* 00000d01"),
        (".gz", damage("train-images-idx3-ubyte.gz", lambda b: b[:60]), r"idx3-ubyte.gz must be a whole gzip file"),
        (".gz", damage("train-labels-idx1-ubyte.gz", lambda b: b"no gzip"), r"idx1-ubyte.gz must be a whole gzip file"),
        ("", damage("train-labels-idx1-ubyte", lambda b: idx_bytes(torch.arange(9))), r"there are 20 and 9"),
        ("", damage("train-labels-idx1-ubyte", lambda b: idx_bytes(torch.arange(20))), r"must lie in \[0, 10\)"),
    ],
)
def test_a_missing_or_damaged_file_is_named(tmp_path, suffix, harm, message):
    write_tiny_fashion(tmp_path, suffix)
    harm(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_images("fashion-mnist", "train", data_dir=tmp_path)


def test_nothing_is_fetched_unless_it_is_asked_for(tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr("sigma2r.data.fashion_mnist._download", fetched.append)
    for download in (False, True):
        with pytest.raises(ValueError, match=r"train-images-idx3-ubyte \(or .gz\) must lie in one of"):
            load_images("fashion-mnist", "train", data_dir=tmp_path, download=download)
        assert fetched == [tmp_path] * download


def test_download_is_asked_of_torchvision_only_when_nothing_is_there(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "sigma2r.data.fashion_mnist._download", lambda root: (asked.append(root), write_tiny_fashion(root))
    )
    load_images("fashion-mnist", "train", data_dir=tmp_path, download=True)
    load_images("fashion-mnist", "train", data_dir=tmp_path, download=True)
    assert asked == [tmp_path]


def write_images(root: Path, classes=("cat", "dog"), size=(8, 8), mode="RGB", count=3) -> Path:
    for split in ("train", "test"):
        for k, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                colour = (40 * k + i) if mode == "L" else (40 * k + i, 0, 7)
                Image.new(mode, size, colour).save(folder / f"{i}.png")
    return root


def test_a_folder_tree_is_read_in_the_order_of_names(tmp_path):
    data = load_images(f"folder:{write_images(tmp_path)}", "train")
    assert isinstance(data, ImageData)
    assert data.class_names == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.images[:, :, 3, 3].tolist() == [[40 * k + i, 0, 7] for k in (0, 1) for i in range(3)]


def test_gray_images_have_one_channel_and_image_size_scales(tmp_path):
    assert load_images(f"folder:{write_images(tmp_path / 'a', mode='L')}", "test").image_shape == (1, 8, 8)
    wide = write_images(tmp_path / "b", size=(12, 9))
    assert load_images(f"folder:{wide}", "train", image_size=6).image_shape == (3, 6, 6)


def test_images_that_do_not_fit_stay_on_disk_and_read_the_same(tmp_path):
    root = write_images(tmp_path)
    on_disk, held = folder_images(root, "train", in_memory_bytes=10), folder_images(root, "train")
    assert isinstance(on_disk, FolderImages)
    assert isinstance(held, ImageData)
    assert on_disk.image_shape == held.image_shape
    assert torch.equal(torch.stack([on_disk[i][0] for i in range(len(on_disk))]), held.images)


@pytest.mark.message
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda r: (r / "train/cat/1.png").write_bytes(b"no image"), r"cat/1.png must be a readable image"),
        (
            lambda r: (r / "train/dog/2.png").write_bytes((r / "train/dog/2.png").read_bytes()[:40]),
            r"dog/2.png must be",
        ),
        (lambda r: [p.unlink() for p in (r / "train/cat").iterdir()], r"each class must have images; .*train/cat has"),
        (lambda r: (r / "test").rename(r / "gone"), r"test/ is missing"),
        (lambda r: (r / "test/dog").rename(r / "test/fox"), r"they differ in: dog, fox"),
        (lambda r: Image.new("RGB", (9, 8)).save(r / "train/dog/0.png"), r"8 x 8, 9 x 8. Try --image-size 8"),
        (lambda r: Image.new("RGB", (9, 9)).save(r / "test/dog/2.png"), r"dog/2.png must have .* 8 x 8; it has 9 x 9"),
    ],
)
def test_a_folder_that_is_not_in_order_is_told_how(tmp_path, harm, message):
    root = write_images(tmp_path)
    harm(root)
    with pytest.raises(ValueError, match=message):
        [load_images(f"folder:{root}", split) for split in ("train", "test")]


@pytest.mark.message
def test_a_folder_without_classes_is_told_so(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match=r"train must hold a folder for each class; it holds none"):
        load_images(f"folder:{tmp_path}", "train")


@pytest.mark.message
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashion-mnits", r"unknown data set 'fashion-mnits'; .*Did you mean fashion-mnist\?"),
        ("folder:", "unknown data"),
    ],
)
def test_an_unknown_data_set_is_told_the_nearest(name, message):
    with pytest.raises(ValueError, match=message):
        load_images(name, "train")


def test_every_data_set_has_an_augmentation():
    assert default_augmentation("folder:/somewhere").crop == 4
    assert default_augmentation("fuzzy-rgb").rotation == 0


def test_images_of_a_folder_are_not_flipped_unless_asked():
    asked = default_augmentation("folder:arrows")
    assert asked.horizontal_flip == asked.vertical_flip == 0
    assert default_augmentation("fashion-mnist").horizontal_flip == 0.5


def test_real_cifar_images_are_read_from_a_folder_tree(tmp_path):
    archive = Path(os.environ.get("SIGMA2R_TEST_DATA", ".")) / "cifar10-20k.tar.xz"
    require("cifar10-20k.tar.xz in the folder that SIGMA2R_TEST_DATA names", archive.is_file())
    taken = {"train": 0, "test": 0}
    with tarfile.open(archive) as tar:
        for member in tar:
            split = member.name.removeprefix("./").split("/")[0]
            if member.isfile() and split in taken:
                tar.extract(member, tmp_path, filter="data")
                taken[split] += 1
            if sum(taken.values()) > 9000:  # in the order of the archive: enough for several classes
                break
    kept = {split: {p.name for p in (tmp_path / split).glob("*")} for split in taken if taken[split]}
    split = max(kept, key=lambda s: len(kept[s]))
    (tmp_path / split).rename(tmp_path / "some")
    root = tmp_path / "tree"
    for part in ("train", "test"):
        for folder in (tmp_path / "some").iterdir():
            (root / part / folder.name).mkdir(parents=True)
            for path in sorted(folder.iterdir())[:5]:
                (root / part / folder.name / path.name).write_bytes(path.read_bytes())
    data = load_images(f"folder:{root}", "train")
    assert data.image_shape == (3, 32, 32)
    assert len(data.class_names) >= 2
    assert 40 < float(data.images.float().mean()) < 210
    assert data.images.float().std() > 20


def test_idx_dimensions_are_part_of_the_magic_number(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(idx_bytes(torch.zeros(2, 3)))
    assert read_idx(path, 2).shape == (2, 3)
    with pytest.raises(ValueError, match="00000803"):
        read_idx(path, 3)
