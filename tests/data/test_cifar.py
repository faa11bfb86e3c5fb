"""CIFAR in its three forms, and every way in which its files can be wrong."""

import hashlib
import io
import lzma
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100

from sigma2r.data import load_images
from sigma2r.data.cifar import cifar
from sigma2r.data.packed import packed_images
from tests.conftest import noise_image, require

NAMES = [f"class {k}" for k in range(10)]


def pixels(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A small set in torchvision's layout, whose checksums torchvision's class is told."""

    def write(source: type, files: dict[str, object]) -> Path:
        folder = tmp_path / source.base_folder
        folder.mkdir(exist_ok=True)
        sums = {}
        for name, content in files.items():
            packed = content if isinstance(content, bytes) else pickle.dumps(content, protocol=2)
            (folder / name).write_bytes(packed)
            sums[name] = hashlib.md5(packed).hexdigest()
        meta = next(name for name in files if "meta" in name)
        key = "label_names" if source is CIFAR10 else "fine_label_names"
        monkeypatch.setattr(source, "train_list", [[n, s] for n, s in sums.items() if "data" in n or n == "train"])
        monkeypatch.setattr(source, "test_list", [[n, s] for n, s in sums.items() if "test" in n])
        monkeypatch.setattr(source, "meta", {"filename": meta, "key": key, "md5": sums[meta]})
        return folder

    return write


def small_cifar10() -> dict[str, object]:
    parts = {f"data_batch_{k}": {"data": pixels(4, k).reshape(4, -1), "labels": [k, 1, 2, 3]} for k in (1, 2)}
    return {**parts, "test_batch": {"data": pixels(2, 9).reshape(2, -1), "labels": [0, 9]},
            "batches.meta": {"label_names": NAMES}}  # fmt: skip


def test_torchvisions_files_are_read_in_their_order(published, tmp_path):
    published(CIFAR10, small_cifar10())
    train, test = cifar("cifar10", "train", tmp_path), cifar("cifar10", "test", tmp_path)
    assert torch.equal(train.images, torch.as_tensor(np.concatenate([pixels(4, 1), pixels(4, 2)])))
    assert train.labels.tolist() == [1, 1, 2, 3, 2, 1, 2, 3]
    assert torch.equal(test.images, torch.as_tensor(pixels(2, 9)))
    assert train.class_names == test.class_names == tuple(NAMES)


def test_cifar100_is_read_by_its_fine_classes(published, tmp_path, monkeypatch):
    both = {"fine_labels": [99, 0], "coarse_labels": [1, 2]}
    published(CIFAR100, {
        "train": {"data": pixels(2).reshape(2, -1), **both}, "test": {"data": pixels(2).reshape(2, -1), **both},
        "meta": {"fine_label_names": [f"fine {k}" for k in range(100)]},
    })  # fmt: skip
    monkeypatch.setenv("SIGMA2R_DATA_DIR", str(tmp_path))
    data = load_images("cifar100", "train")
    assert data.labels.tolist() == [99, 0]
    assert len(data.class_names) == 100


@pytest.mark.message
def test_a_file_that_is_not_the_published_one_is_named(published, tmp_path):
    folder = published(CIFAR10, small_cifar10())
    path = folder / "data_batch_2"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"^cifar10: .*data_batch_2 must have the MD5 \w{32} .*; it has \w{32}"):
        cifar("cifar10", "train", tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"^cifar10: .*data_batch_2 must be there"):
        cifar("cifar10", "train", tmp_path)


class Attack:
    def __reduce__(self):
        return os.mkdir, ("sigma2r-was-here",)


@pytest.mark.message
def test_a_pickle_that_runs_something_is_refused_even_with_the_right_checksum(published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    published(CIFAR10, {**small_cifar10(), "test_batch": {"data": Attack(), "labels": [0]}})
    with pytest.raises(ValueError, match=r"files must hold arrays and plain values; this one names posix.mkdir"):
        cifar("cifar10", "test", tmp_path)
    assert not Path("sigma2r-was-here").exists()


@pytest.mark.message
def test_a_file_of_another_kind_is_refused(published, tmp_path):
    published(CIFAR10, {**small_cifar10(), "test_batch": {"pixels": 3}})
    with pytest.raises(ValueError, match=r"^cifar10: .* must hold the files of the published set: KeyError"):
        cifar("cifar10", "test", tmp_path)


def image(seed: int, size: int = 32) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(1, seed)[0].transpose(1, 2, 0)).resize((size, size)).save(buffer, "PNG")
    return buffer.getvalue()


def tree() -> dict[str, bytes]:
    named = {"train": ("cat", "dog", "cat"), "test": ("dog", "cat")}
    return {
        f"{split}/{name}/{i}.png": image(10 * i + len(split))
        for split, names in named.items()
        for i, name in enumerate(names)
    }


def pack(path: Path, files: dict[str, bytes], extra: list[tarfile.TarInfo] | None = None) -> Path:
    with tarfile.open(path, "w:xz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra or []:
            archive.addfile(member)
    return path


def test_a_packed_tree_equals_the_tree_unpacked(tmp_path):
    (tmp_path / "a").mkdir()
    pack(tmp_path / "a/cifar10-few.tar.xz", tree())
    for name, content in tree().items():
        path = tmp_path / "b/cifar10" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for split, labels in (("train", [0, 0, 1]), ("test", [0, 1])):
        packed, unpacked = cifar("cifar10", split, tmp_path / "a"), cifar("cifar10", split, tmp_path / "b")
        assert packed.labels.tolist() == unpacked.labels.tolist() == labels
        assert torch.equal(packed.images, unpacked.images)
        assert packed.class_names == unpacked.class_names == ("cat", "dog")
    assert packed.images.float().std() > 10


def test_images_of_a_tree_that_have_another_size_are_stretched_as_ever(tmp_path):
    image = noise_image(60, 40, 60).convert("RGB")
    for split in ("train", "test"):
        (tmp_path / "cifar10" / split / "cat").mkdir(parents=True)
        image.save(tmp_path / "cifar10" / split / "cat/0.png")
    wanted = image.resize((32, 32), Image.Resampling.BILINEAR).tobytes()
    assert cifar("cifar10", "train", tmp_path).images[0].permute(1, 2, 0).numpy().tobytes() == wanted
    (tmp_path / "cifar10/val").mkdir()
    with pytest.warns(
        UserWarning, match=r"^cifar10: .*cifar10/val is not read\. --dataset folder:.*cifar10 takes it for val"
    ):
        cifar("cifar10", "test", tmp_path)
    cifar("cifar10", "train", tmp_path)  # once is enough


def test_a_file_of_cifar100_is_not_taken_for_one_of_cifar10(tmp_path):
    pack(tmp_path / "cifar100-few.tar.xz", tree())
    with pytest.raises(ValueError, match=r"^cifar10: .* must hold cifar-10-batches-py, a folder cifar10 with .*none"):
        cifar("cifar10", "train", tmp_path)
    assert len(cifar("cifar100", "train", tmp_path)) == 3


@pytest.mark.message
@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (tarfile.SYMTYPE, "train/cat/9.png", r"'train/cat/9.png' is a link, a device or leads outside"),
        (tarfile.LNKTYPE, "train/cat/9.png", r"is a link, a device or leads outside"),
        (tarfile.FIFOTYPE, "train/cat/9.png", r"is a link, a device or leads outside"),
        (tarfile.REGTYPE, "/".join((os.pardir, "train/cat/9.png")), r"is a link, a device or leads outside"),
        (tarfile.REGTYPE, "/".join(("", "train/cat/9.png")), r"leads outside"),
    ],
)
def test_a_packed_file_that_leads_elsewhere_is_refused(kind, name, message, tmp_path):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/hostname"
    with pytest.raises(ValueError, match=message):
        packed_images(pack(tmp_path / "x.tar.xz", tree(), [member]), "train", 32)


@pytest.mark.message
def test_damaged_empty_oversized_and_misfit_packed_files_are_named(tmp_path, monkeypatch):
    whole = pack(tmp_path / "x.tar.xz", tree())
    with pytest.raises(ValueError, match=r"^packed images: .*x.tar.xz must hold validation/CLASS/IMAGE; it holds none"):
        packed_images(whole, "validation", 32)
    (tmp_path / "cut.tar.xz").write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"^packed images: .*cut.tar.xz must be a whole tar file"):
        packed_images(tmp_path / "cut.tar.xz", "train", 32)
    (tmp_path / "no.tar.xz").write_bytes(b"not an archive")
    with pytest.raises(ValueError, match=r"^packed images: .*no.tar.xz must be a whole tar file"):
        packed_images(tmp_path / "no.tar.xz", "train", 32)
    other = pack(tmp_path / "y.tar.xz", {**tree(), "train/cat/7.png": image(1, size=16)})
    with pytest.raises(ValueError, match=r"^folder: train/cat/7.png of .*y.tar.xz must have the size .* 16 x 16"):
        packed_images(other, "train", 32)
    broken = pack(tmp_path / "z.tar.xz", {**tree(), "train/cat/7.png": b"no image"})
    with pytest.raises(ValueError, match=r"^folder: train/cat/7.png of .*z.tar.xz must be a readable image"):
        packed_images(broken, "train", 32)
    monkeypatch.setattr("sigma2r.data.packed._LARGEST_FILE", 100)
    with pytest.raises(ValueError, match=r"^packed images: files must have at most 100 bytes"):
        packed_images(whole, "train", 32)


@pytest.mark.message
def test_without_a_folder_it_says_which_to_name(tmp_path, monkeypatch):
    monkeypatch.delenv("SIGMA2R_DATA_DIR", raising=False)
    with pytest.raises(ValueError, match=r"^cifar100: --data-dir or SIGMA2R_DATA_DIR must name the folder"):
        cifar("cifar100", "train")
    with pytest.raises(ValueError, match=r"^cifar10: images are used as they are, 32 pixels a side; got image_size 28"):
        load_images("cifar10", "train", image_size=28, data_dir=tmp_path)


def test_it_is_fetched_only_when_asked_and_nothing_is_there(tmp_path, monkeypatch):
    asked = []

    def fetch(self, root, download):
        asked.append((root, download))
        pack(Path(root) / "cifar10.tar.xz", tree())  # in some form

    monkeypatch.setattr(CIFAR10, "__init__", fetch)
    assert len(cifar("cifar10", "train", tmp_path, download=True)) == 3
    assert asked == [(str(tmp_path), True)]
    cifar("cifar10", "train", tmp_path, download=True)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("name", "file", "classes", "train", "test"),
    [("cifar10", "cifar10-20k.tar.xz", 10, 15_000, 5_000), ("cifar100", "cifar100-25k.tar.xz", 100, 20_000, 5_000)],
)
def test_real_images_are_read_from_their_packed_files(name, file, classes, train, test):
    folder = Path(os.environ.get("SIGMA2R_TEST_DATA", "nowhere"))
    require(f"{file} in the folder that SIGMA2R_TEST_DATA names", (folder / file).is_file())
    for split, count in (("train", train), ("test", test)):
        data = cifar(name, split, folder)
        assert data.images.shape == (count, 3, 32, 32)
        assert torch.bincount(data.labels).tolist() == [count // classes] * classes
        assert len(set(data.class_names)) == classes
        assert 100 < data.images.float().mean() < 140  # photographs


@pytest.mark.parametrize(
    ("file", "name"), [("cifar10-20k.tar.xz", "cifar10"), ("cifar100-25k.tar.xz", "cifar100")], ids=["10", "100"]
)
def test_the_images_of_the_records_are_those_that_the_repository_names(file, name):
    archive = Path(os.environ.get("SIGMA2R_TEST_DATA", "nowhere")) / file
    require(f"{file} in the folder that SIGMA2R_TEST_DATA names", archive.is_file())
    root = Path(__file__).parent.parent.parent
    named = lzma.decompress((root / f"results/images/{name}.txt.xz").read_bytes()).decode().splitlines()
    with tarfile.open(archive) as packed:
        found = [member.name.removesuffix(".webp") for member in packed if member.isfile()]
    assert sorted(found) == named
    assert len(set(named)) == len(named) == {"cifar10": 20_000, "cifar100": 25_000}[name]
    assert hashlib.sha256(archive.read_bytes()).hexdigest() in (root / "docs/reproducing-the-paper.md").read_text()
