"""A small file that unpacks to a large one is refused before it fills the memory; a damaged one is noticed."""

import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image

from sigma2r.data.cifar import cifar
from sigma2r.data.idx import read_idx
from sigma2r.data.packed import packed_images
from sigma2r.data.unpack import Metered, unpacked
from tests.data.test_cifar import image, pack, pixels, tree
from tests.data.test_datasets import idx_bytes

MUCH = 24 * 2**20


@contextmanager
def little_memory(most: int = 12 * 2**20) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


class Zeros(io.RawIOBase):
    """Very many zeros."""

    def read(self, size: int = -1) -> bytes:
        return bytes(size)


def entry(name: str, kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.USTAR_FORMAT)


def xz(path: Path, *parts: bytes) -> Path:
    with lzma.open(path, "wb", preset=0) as file:
        for part in parts:
            file.write(part)
    return path


def member(name: str, content: bytes) -> bytes:
    return entry(name, tarfile.REGTYPE, len(content)) + content + bytes(-len(content) % 512)


END = bytes(1024)


@pytest.mark.message
def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    content = idx_bytes(torch.zeros(5, 4, 4))
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(content + bytes(MUCH))
    with little_memory(), pytest.raises(ValueError, match=r"bomb.gz must hold 80 bytes for shape .*; it holds more\."):
        read_idx(path, 3)
    whole = tmp_path / "whole.gz"
    whole.write_bytes(gzip.compress(content))
    assert read_idx(whole, 3).shape == (5, 4, 4)


@pytest.mark.message
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_header_that_tells_of_too_much_is_not_believed(tmp_path, suffix):
    content = struct.pack(">4B3I", 0, 0, 8, 3, 60_000, 4_000_000_000, 28) + bytes(100)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with little_memory(), pytest.raises(ValueError, match=r"at most 1,073,741,824 bytes; its header tells of 6,720,0"):
        read_idx(path, 3)


@pytest.mark.message
@pytest.mark.parametrize("place", [12, -5, -1])
def test_a_damaged_gzip_file_is_noticed_wherever_it_is(tmp_path, place):
    content = bytearray(gzip.compress(idx_bytes(torch.arange(80).view(5, 4, 4))))
    content[place] ^= 1
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^.*x\.gz must "):
        read_idx(path, 3)


def test_no_elements_are_an_empty_tensor(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 0, 28, 28))
    assert read_idx(path, 3).shape == (0, 28, 28)


@pytest.mark.message
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_unpacks_to_much_is_not_read(tmp_path, kind):
    first = [member("train/cat/0.png", image(1))]
    for before in ([], first):
        bomb = xz(tmp_path / "bomb.tar.xz", *before, entry("x", kind, MUCH), bytes(MUCH), END)
        assert bomb.stat().st_size < 20_000
        with (
            little_memory(),
            pytest.raises(ValueError, match=r"bomb.tar.xz must be a whole tar file: an entry has \d+,"),
        ):
            packed_images(bomb, "train", 32)


@pytest.mark.message
def test_very_many_headers_before_one_file_are_not_read(tmp_path):
    long = entry("x", tarfile.XHDTYPE, 60_000) + b"59999 comment=" + b"a" * 59_984 + b"\n" + bytes(60_416 - 59_999)
    bomb = xz(tmp_path / "bomb.tar.xz", long * 800, member("train/cat/0.png", image(1)), END)
    with little_memory(), pytest.raises(ValueError, match=r"must be a whole tar file: an entry has .* make sense"):
        packed_images(bomb, "train", 32)


@pytest.mark.message
def test_a_sparse_file_without_end_is_not_read(tmp_path):
    head = bytearray(entry("train/cat/0.png", tarfile.GNUTYPE_SPARSE, 100))
    head[482] = 1  # more blocks of places follow
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    block = bytes(504) + b"\1" + bytes(7)
    bomb = xz(tmp_path / "bomb.tar.xz", bytes(head), block * 20_000, END)
    with little_memory(), pytest.raises(ValueError, match=r"must be a whole tar file: an entry has 512 bytes where"):
        packed_images(bomb, "train", 32)
    told = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "train/cat/0.png",
            "GNU.sparse.realsize": "99"}  # fmt: skip
    sparse = tarfile.TarInfo("train/cat/0.png")
    sparse.pax_headers, sparse.size = told, MUCH
    bomb = xz(tmp_path / "two.tar.xz", sparse.tobuf(tarfile.PAX_FORMAT), b"99999999\n" + b"0\n" * (MUCH // 2), END)
    with (
        little_memory(),
        pytest.raises(ValueError, match=r"two.tar.xz must be .*: an entry has 512 bytes where"),
    ):
        packed_images(bomb, "train", 32)
    sparse.size = 512
    small = xz(tmp_path / "small.tar.xz", sparse.tobuf(tarfile.PAX_FORMAT), b"0\n".ljust(512, b"\0"), END)
    with pytest.raises(ValueError, match=r"must hold plain files; 'train/cat/0.png' is sparse"):
        packed_images(small, "train", 32)


@pytest.mark.message
def test_all_files_together_are_bounded_images_or_not(tmp_path, monkeypatch):
    monkeypatch.setattr("sigma2r.data.packed._LARGEST_SET", 2**20)
    filler = member("train/cat/notes.txt", bytes(2**18))
    bomb = xz(tmp_path / "bomb.tar.xz", *[filler] * 6, *[member(k, v) for k, v in tree().items()], END)
    with pytest.raises(ValueError, match=r"must be a whole tar file: it unpacks to more than 1,048,576 bytes"):
        packed_images(bomb, "train", 32)


@pytest.mark.message
def test_what_follows_the_end_is_bounded_too(tmp_path, monkeypatch):
    monkeypatch.setattr("sigma2r.data.packed._LARGEST_SET", 2**20)
    bomb = xz(tmp_path / "bomb.tar.xz", *[member(k, v) for k, v in tree().items()], END, bytes(2**22))
    with little_memory(), pytest.raises(ValueError, match=r"it unpacks to more than 1,048,576 bytes"):
        packed_images(bomb, "train", 32)


@pytest.mark.message
def test_pixels_are_bounded_however_well_they_compress(tmp_path, monkeypatch):
    monkeypatch.setattr("sigma2r.data.packed._MOST_PIXELS", 10 * 3 * 32 * 32)
    one = image(1)
    many = [member(f"train/cat/{i}.png", one) for i in range(11)]
    assert len(packed_images(xz(tmp_path / "ten.tar.xz", *many[:10], END), "train", 32)) == 10
    with pytest.raises(ValueError, match=r"11.tar.xz must hold at most 30,720 bytes of pixels a split"):
        packed_images(xz(tmp_path / "11.tar.xz", *many, END), "train", 32)


def test_files_are_not_kept_once_they_are_decoded(tmp_path):
    noise = os.urandom(2**20)
    files = [member(f"train/cat/{i}.txt", noise) for i in range(40)]
    packed = tmp_path / "x.tar"
    packed.write_bytes(b"".join([*files, member("train/cat/0.png", image(1)), END]))
    with little_memory(), pytest.warns(UserWarning, match=r"40 names were passed over - no ending .*: 40 \(\.txt\)"):
        assert len(packed_images(packed, "train", 32)) == 1


@pytest.mark.message
@pytest.mark.parametrize("suffix", [".tar", ".tar.xz", ".tar.gz", ".tar.bz2"])
def test_a_packed_tree_that_is_cut_off_between_two_files_is_noticed(tmp_path, suffix):
    parts = [member(name, content) for name, content in tree().items()]

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / (name + suffix)
        opener = {".tar.xz": lzma.open, ".tar.gz": gzip.open, ".tar": open}.get(suffix)
        if opener is None:
            import bz2

            path.write_bytes(bz2.compress(content))
        else:
            with opener(path, "wb") as file:
                file.write(content)
        return path

    assert len(packed_images(write("whole", b"".join([*parts, END])), "train", 32)) == 3
    with pytest.raises(ValueError, match=r"must be a whole tar file: its end is missing, or a header"):
        packed_images(write("cut", b"".join(parts)), "train", 32)
    harmed = bytearray(b"".join([*parts, END]))
    harmed[len(parts[0]) + 150] ^= 1  # the checksum of the second header
    with pytest.raises(ValueError, match=r"must be a whole tar file: .*header"):
        packed_images(write("harmed", bytes(harmed)), "train", 32)


@pytest.mark.message
def test_damage_after_the_last_file_is_noticed(tmp_path):
    path = pack(tmp_path / "x.tar.xz", tree())
    content = bytearray(path.read_bytes())
    content[-20] ^= 1  # in the index, behind all blocks
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x.tar.xz must be a whole tar file"):
        packed_images(path, "train", 32)


def test_packed_trees_follow_the_rules_of_folders(tmp_path):
    files = {**{f"some/set/{name}": content for name, content in tree().items()},
             "some/set/train/cat/deep/er/5.png": image(5), "some/set/train/cat/._0.png": b"\0\5\x16\7",
             "some/set/__MACOSX/train/cat/0.png": b"no image", "some/set/train/.cache/0.png": b"no image",
             "some/set/train/README.txt": b"", "some/set/train/loose.png": b"no image", "LICENSE": b""}  # fmt: skip
    path = pack(tmp_path / "x.tar.xz", files)
    with pytest.warns(UserWarning, match=r"x.tar.xz: 6 names were passed over - ") as told:
        data = packed_images(path, "train", 32)
    assert data.class_names == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 0, 1]
    assert "hidden or of the system: 2 (._0.png, __MACOSX)" in str(told[0].message)
    assert "beside the classes, hidden or of the system: 1 (.cache)" in str(told[0].message)


def test_a_packed_tree_with_endings_other_than_png_is_read(tmp_path):
    content = io.BytesIO()
    Image.fromarray(pixels(1)[0].transpose(1, 2, 0)).save(content, "TGA")
    (tmp_path / "set").mkdir()
    pack(tmp_path / "set/cifar10.tar.xz", {**tree(), "train/dog/9.tga": content.getvalue()})
    assert len(cifar("cifar10", "train", tmp_path / "set")) == 4


@pytest.mark.message
def test_packed_classes_must_agree_and_be_text(tmp_path):
    with pytest.raises(ValueError, match=r"train/ and test/ of .* must have the same classes; they differ in: fox\."):
        packed_images(pack(tmp_path / "x.tar.xz", {**tree(), "test/fox/0.png": image(1)}), "train", 32)
    odd = os.fsdecode(b"caf\xe9")
    files = {**tree(), **{f"{split}/{odd}/0.png": image(1) for split in ("train", "test")}}
    with pytest.raises(ValueError, match=r"names of classes must be UTF-8; b'caf\\xe9'"):
        packed_images(pack(tmp_path / "y.tar.xz", files), "train", 32)


def test_a_meter_reads_forwards_and_no_more_than_was_granted(tmp_path):
    (tmp_path / "x").write_bytes(bytes(range(100)))
    with unpacked(tmp_path / "x", most=100) as file:
        file.grant(10)
        assert file.read(4) == bytes(range(4))
        assert file.seek(20) == file.tell() == 20
        assert file.read(6) == bytes(range(20, 26))
        with pytest.raises(ValueError, match="an entry has 1 bytes where at most 0 make sense"):
            file.read(1)
        file.drain()
        assert file.tell() == 100
    endless = Metered(Zeros(), most=2**22)
    with little_memory(), pytest.raises(ValueError, match="unpacks to more than 4,194,304 bytes"):
        endless.drain()


@pytest.mark.message
def test_of_two_packed_trees_the_first_is_read_and_that_is_said(tmp_path):
    pack(tmp_path / "cifar10-b.tar.xz", {**tree(), "train/dog/9.png": image(9)})
    pack(tmp_path / "cifar10-a.tar.xz", tree())
    with pytest.warns(UserWarning, match=r"holds 2 packed trees; cifar10-a\.tar\.xz is read, the first by name"):
        assert len(cifar("cifar10", "train", tmp_path)) == 3
    os.mkfifo(tmp_path / "cifar100.tar")  # a pipe is no file to wait for
    with pytest.raises(ValueError, match=r"^cifar100: .* it holds none of them"):
        cifar("cifar100", "train", tmp_path)
