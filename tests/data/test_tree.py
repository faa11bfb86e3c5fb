"""Which files of a folder tree count: the same rule for classes, for images and for first images."""

import os
import socket
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sigma2r.data import FolderImages, _statuses, load_images, survey
from sigma2r.data.folder import folder_images
from sigma2r.data.names import shown
from sigma2r.data.tree import read_tree
from tests.data.test_datasets import write_images


def loaded(root: Path, split: str = "train", **options):
    return load_images(f"folder:{root}", split, **options)


def colour(path: Path, value, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 8), value).save(path)


def warned(load) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load()
    return [str(warning.message) for warning in caught]


def test_a_folder_that_is_called_like_an_image_is_a_folder(tmp_path):
    root = write_images(tmp_path)
    colour(root / "train/cat/0.png.d/5.png", (9, 9, 9))
    (root / "train/cat/00.png").mkdir()
    (root / "train/cat/zz.jpg").mkdir()
    colour(root / "train/cat/00.png/1.png", (8, 8, 8))
    data = loaded(root)
    assert data.labels.tolist() == [0] * 5 + [1] * 3
    assert data.images[:5, 0, 0, 0].tolist() == [0, 9, 8, 1, 2]  # 0.png, 0.png.d/, 00.png/, 1.png, 2.png
    for split in ("train", "test"):
        (root / split / "dog").rename(root / split / "dog.png")
    assert loaded(root).class_names == ("cat", "dog.png")


@pytest.mark.parametrize("name", ["x.jfif", "x.jpe", "x.avif", "x.JPG", "x.tga", "x.jp2", "x.dib", "x.apng"])
def test_every_ending_that_pillow_registers_is_read(tmp_path, name):
    root = write_images(tmp_path)
    colour(root / "train/cat" / name, (250, 250, 250))
    data = loaded(root)
    assert data.labels.tolist() == [0] * 4 + [1] * 3
    assert (data.images[3].int() - 250).abs().max() <= 3


def test_other_files_are_counted_in_one_warning(tmp_path):
    root = write_images(tmp_path)
    for name in ("a.txt", "b.txt", "labels", "c.npy", "d.pdf"):
        (root / "train/cat" / name).write_text("")
    colour(root / "train/loose.png", "red")
    (root / "train/README.md").write_text("")
    (root / "train/dog/.hidden").write_text("")
    (root / "train/dog/lost.png").symlink_to("nowhere.png")
    (told,) = warned(lambda: loaded(root))
    assert told.startswith(f"folder: in {root}/train: 9 names were passed over - ")
    assert "outside the class folders: 2 (README.md, loose.png)" in told
    assert "no ending of an image that Pillow reads: 5 (.txt, .npy, .pdf)" in told
    assert "hidden or of the system: 1 (.hidden)" in told
    assert "links that lead nowhere, pipes or devices: 1 (lost.png)" in told
    assert warned(lambda: loaded(root, "test")) == []  # nothing was passed over there


@pytest.mark.parametrize("name", ["0.png", "a.png", "pipe"])
@pytest.mark.parametrize("place", ["train/cat", "train", "test/dog"])
def test_a_pipe_does_not_make_it_wait(tmp_path, name, place):
    root = write_images(tmp_path)
    (root / place / name).unlink(missing_ok=True)
    os.mkfifo(root / place / name)
    split = place.partition("/")[0]
    with pytest.warns(UserWarning, match=rf"links that lead nowhere, pipes or devices: 1 \({name}\)"):
        loaded(root, split)


def test_sockets_and_links_to_devices_or_to_themselves_are_no_images(tmp_path, monkeypatch):
    root = write_images(tmp_path)
    monkeypatch.chdir(root / "train/cat")  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("x.png")
    Path("y.png").symlink_to("/dev/zero")
    Path("z.png").symlink_to("z.png")
    with pytest.warns(UserWarning, match=r"links that lead nowhere, pipes or devices: 3 \(x.png, y.png, z.png\)"):
        assert len(loaded(root)) == 6


def test_linked_folders_are_followed_once(tmp_path):
    root = write_images(tmp_path / "set")
    colour(tmp_path / "store/more/7.png", (7, 7, 7))
    colour(tmp_path / "store/8.png", (8, 8, 8))
    (root / "train/cat/aa").symlink_to(tmp_path / "store")  # by its name before what it leads to
    (root / "train/cat/a").symlink_to(tmp_path / "store/more")
    with pytest.warns(UserWarning, match=r": 1 name .* - folders that are read already .*: 1 \(cat/aa/more\)"):
        data = loaded(root)
    assert data.labels.tolist() == [0] * 5 + [1] * 3
    assert sorted(data.images[:5, 0, 0, 0].tolist()) == [0, 1, 2, 7, 8]


def test_a_folder_counts_under_its_own_name_before_that_of_a_link(tmp_path):
    root = write_images(tmp_path)
    colour(root / "train/cat/young/7.png", (7, 7, 7))
    (root / "train/cat/0").symlink_to(root / "train/cat/young")  # its image would come first
    with pytest.warns(UserWarning, match=r"folders that are read already under another name: 1 \(cat/0\)"):
        assert loaded(root).images[:4, 0, 0, 0].tolist() == [0, 1, 2, 7]


def test_linked_images_classes_and_splits_are_read(tmp_path):
    root = write_images(tmp_path / "real")
    plain = loaded(root)
    other = tmp_path / "linked"
    (other / "train/cat").mkdir(parents=True)
    for path in (root / "train/cat").iterdir():
        (other / "train/cat" / path.name).symlink_to(path)
    (other / "train/dog").symlink_to(root / "train/dog")
    (other / "test").symlink_to(root / "test")
    assert torch.equal(loaded(other).images, plain.images)
    assert len(loaded(other, "test")) == 6


@pytest.mark.message
@pytest.mark.parametrize("target", [".", os.pardir, f"{os.pardir}/{os.pardir}", "/", "deep"])
def test_links_that_lead_in_a_circle_are_refused(tmp_path, target):
    root = write_images(tmp_path)
    link = root / "train/cat" / ("deep/back" if target == "deep" else "loop")
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(link.parent if target == "deep" else target)
    with pytest.raises(ValueError, match=rf"links must not lead in a circle; {link} leads to a folder that holds it"):
        loaded(root)


def test_two_links_that_lead_to_each_other_are_refused(tmp_path):
    root = write_images(tmp_path / "set")
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / other).symlink_to(tmp_path / other)
    (root / "train/cat/a").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match=r"links must not lead in a circle; .*cat/a/b/a"):
        loaded(root)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    root = write_images(tmp_path)
    (root / "train/cat/locked").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(ValueError, match=r"^folder: .*train/cat/locked must be readable: Permission denied\."):
        loaded(root)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_val_stands_for_test_and_says_so(tmp_path, name):
    root = write_images(tmp_path)
    plain = loaded(root, "test")
    (root / "test").rename(root / name)
    with pytest.warns(UserWarning, match=rf"has no test/; {name}/ is taken for it"):
        assert torch.equal(loaded(root, "test").images, plain.images)
    assert warned(lambda: loaded(root)) == []


def test_two_folders_cannot_both_be_for_validation_or_stand_for_test(tmp_path):
    root = write_images(tmp_path)
    colour(root / "val/fox/0.png", "red")
    assert len(loaded(root, "test")) == 6  # who wants the others is told what is wrong with them
    (root / "valid").mkdir()
    with pytest.raises(
        ValueError, match=r"must hold one folder for validation; it holds val/ and valid/\. Move the oth"
    ):
        loaded(root, "val")
    (root / "valid").rmdir()
    (root / "test").rename(root / "valid")
    with pytest.raises(ValueError, match=r"or one folder that stands for it; it holds val/ and valid/\. Rename"):
        loaded(root, "test")


@pytest.mark.message
def test_what_lies_there_is_told_where_a_split_is_missing(tmp_path):
    for name in ("Train", "Test"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=r"train/ is missing, it holds Test/, Train/\."):
        loaded(tmp_path)
    with pytest.raises(ValueError, match=r"train/ is missing, and so is the folder itself\."):
        loaded(tmp_path / "gone")


@pytest.mark.message
def test_classes_without_test_images_are_allowed_when_asked(tmp_path):
    root = write_images(tmp_path, classes=("cat", "dog", "fox"))
    for path in (root / "test/dog").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"each class must have images; .*test/dog has none"):
        loaded(root, "test")
    (root / "test/dog").rmdir()
    with pytest.raises(ValueError, match=r"they differ in: dog\. --missing_classes true allows"):
        loaded(root, "test")
    data = loaded(root, "test", missing_classes=True)
    assert data.class_names == ("cat", "dog", "fox")
    assert data.labels.tolist() == [0] * 3 + [2] * 3
    (root / "test/dog").mkdir()
    assert torch.equal(loaded(root, "test", missing_classes=True).labels, data.labels)


@pytest.mark.message
def test_a_class_that_train_lacks_or_an_empty_one_in_train_is_never_allowed(tmp_path):
    root = write_images(tmp_path)
    colour(root / "test/fox/0.png", "red")
    with pytest.raises(ValueError, match=r"they differ in: fox\.$"):
        loaded(root, "test", missing_classes=True)
    (root / "train/fox").mkdir()
    for split in ("train", "test"):
        with pytest.raises(ValueError, match=r"each class must have images; .*train/fox has none"):
            loaded(root, split, missing_classes=True)


@pytest.mark.message
def test_a_class_of_other_files_is_told_what_was_passed_over(tmp_path):
    root = write_images(tmp_path)
    for path in (root / "train/cat").iterdir():
        path.rename(path.with_suffix(".npy"))
    with (
        pytest.warns(UserWarning, match="3 names were passed over"),
        pytest.raises(ValueError, match=r"train/cat has none\. Passed over in .*train - no ending .*: 3 \(\.npy\)"),
    ):
        loaded(root)


@pytest.mark.message
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_name_of_a_class_must_be_text(tmp_path, split):
    root = write_images(tmp_path)
    (root / split / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(ValueError, match=r"names of classes must be UTF-8; b'caf\\xe9' of .* is not") as refused:
        loaded(root, split)
    str(refused.value).encode()


def test_the_name_of_an_image_may_be_any_bytes(tmp_path):
    root = write_images(tmp_path)
    path = root / "train/cat" / os.fsdecode(b"caf\xe9\n\x1b[31m.png")
    colour(path, (5, 5, 5))
    assert len(loaded(root)) == 7
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="must be a readable image") as refused:
        loaded(root)
    assert str(refused.value).isprintable()
    assert shown("plain/é.png") == "plain/é.png"


def test_the_order_is_that_of_comparing_folder_by_folder(tmp_path):
    names = ["b.png", "a/z.png", "a.b/c.png", "a b.png", "a-/x.png", "a/b/c.png", "a.png", "B.png"]
    for name in names:
        colour(tmp_path / "cat" / name, "red")
    expected = sorted(tmp_path.joinpath("cat", name) for name in names)
    assert read_tree(tmp_path).images["cat"] == expected


def test_what_the_file_system_lists_first_does_not_matter(tmp_path, monkeypatch):
    root = write_images(tmp_path, count=5)
    plain = loaded(root)
    scandir = os.scandir

    class Backwards:
        def __init__(self, path) -> None:
            self.entries = sorted(scandir(path), key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_) -> None:
            pass

    monkeypatch.setattr("os.scandir", Backwards)
    assert torch.equal(loaded(root).images, plain.images)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("late", ["train", "test"])
def test_images_are_gray_only_if_all_of_both_splits_are(tmp_path, late, split):
    root = write_images(tmp_path, mode="L")
    assert loaded(root, split).image_shape == (1, 8, 8)
    colour(root / late / "dog/9.png", (200, 0, 0))  # neither the first of its class nor the first of the set
    assert loaded(root, split).image_shape == (3, 8, 8)


def test_colours_survive_where_the_first_image_of_each_class_is_gray(tmp_path):
    root = write_images(tmp_path)
    for name in ("cat", "dog"):
        colour(root / "train" / name / "0.png", 100, "L")
    data = loaded(root)
    assert data.image_shape == (3, 8, 8)
    assert data.images[4, :, 0, 0].tolist() == [41, 0, 7]
    assert data.images[0, :, 0, 0].tolist() == [100] * 3


def test_a_flag_decides_for_gray_or_colours(tmp_path):
    coloured, plain = write_images(tmp_path / "a"), write_images(tmp_path / "b", mode="L")
    assert loaded(coloured, gray=True).image_shape == (1, 8, 8)
    assert loaded(coloured, "test", gray=True).image_shape == (1, 8, 8)
    assert loaded(plain, gray=False).image_shape == (3, 8, 8)


def test_16_bits_are_said_once_and_a_range_quiets_it(tmp_path):
    root = write_images(tmp_path, mode="L")
    for split in ("train", "test"):
        for i, path in enumerate(sorted((root / split).rglob("*.png"))):
            Image.fromarray(np.full((8, 8), 16 * i + 3, dtype=np.uint16)).save(path)
    with pytest.warns(UserWarning, match=r"more than 8 bits, of which the 8 highest .*; train/cat/0.png .* 3 to 3"):
        dark = loaded(root)
    assert dark.images.unique().tolist() == [0]
    assert warned(lambda: loaded(root, "test")) == []
    data = loaded(root, pixel_range=(3, 83))
    assert data.images[:, 0, 0, 0].tolist() == [0, 51, 102, 153, 204, 255]


def test_two_classes_of_16_bits_stay_two_classes(tmp_path):
    for split in ("train", "test"):
        for name, value in (("dark", 5_000), ("light", 40_000)):
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(np.full((8, 8), value, dtype=np.uint16)).save(tmp_path / split / name / "0.tif")
    with pytest.warns(UserWarning, match="more than 8 bits"):
        assert loaded(tmp_path).images[:, 0, 0, 0].tolist() == [19, 156]


@pytest.mark.message
@pytest.mark.parametrize("on_disk", [False, True])
def test_floats_are_refused_at_once_wherever_images_stay(tmp_path, on_disk):
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.fromarray(np.full((8, 8), 0.5, dtype=np.float32)).save(tmp_path / split / "a/0.tif")
    most = 1 if on_disk else 2**30
    with pytest.raises(ValueError, match=r"train/a/0.tif holds floating-point values, .* 0.5 to 0.5\. Say it: --"):
        folder_images(tmp_path, "train", in_memory_bytes=most)
    data = folder_images(tmp_path, "train", in_memory_bytes=most, pixel_range=(0, 1))
    assert isinstance(data, FolderImages) == on_disk
    assert (data[0][0] if on_disk else data.images).unique().tolist() == [128]


@pytest.mark.message
def test_what_nothing_needs_is_refused(tmp_path):
    root = write_images(tmp_path)
    with pytest.raises(ValueError, match=r"pixel_range is for gray images of more than 8 bits .* are not such"):
        loaded(root, pixel_range=(0, 1))
    for name in ("fuzzy-rgb", "fashion-mnist", "cifar10"):
        for option in ({"gray": False}, {"pixel_range": (0, 1)}, {"missing_classes": True}):
            with pytest.raises(ValueError, match=rf"^{name}: {next(iter(option))} is for folder:PATH"):
                load_images(name, "train", **option)


def mixed(root: Path, first: type, others: type) -> Path:
    """The first image of each class of train holds values of another type than all others."""
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for i in range(3):
                kind = first if split == "train" and i == 0 else others
                Image.fromarray(np.full((8, 8), 100 * (kind is not np.uint8) + i, dtype=kind)).save(
                    root / split / name / f"{i}.tif"
                )
    return root


@pytest.mark.message
@pytest.mark.parametrize("pixel_range", [None, (0, 4095)])
@pytest.mark.parametrize("kinds", [(np.uint8, np.float32), (np.float32, np.uint8), (np.int32, np.uint16),
                                   (np.uint16, np.float32), (np.uint8, np.int32)])  # fmt: skip
def test_values_of_several_kinds_are_refused_with_and_without_a_range(tmp_path, kinds, pixel_range):
    root = mixed(tmp_path, *kinds)
    for split in ("train", "test"):
        with pytest.raises(ValueError, match=r"must have values of one kind .* in train/cat/0.tif, .* in train/cat/1"):
            loaded(root, split, pixel_range=pixel_range)


@pytest.mark.message
@pytest.mark.parametrize("kinds", [(np.uint8, np.uint16), (np.uint16, np.uint8)])
def test_8_and_16_bits_together_are_said_and_no_range_is_for_some_of_them(tmp_path, kinds):
    root = mixed(tmp_path, *kinds)
    deep = "1.tif" if kinds[0] is np.uint8 else "0.tif"
    with pytest.warns(UserWarning, match=rf"images of more than 8 bits, of which the 8 highest .*; train/cat/{deep}"):
        loaded(root)
    with pytest.raises(ValueError, match=r"values of one kind .*; there are (8|16)-bit in train/cat/0.tif, (8|16)-bit"):
        loaded(root, pixel_range=(0, 4095))


def deep_png(path: Path, colour_type: int, channels: int) -> None:
    """A PNG of 16 bits a channel with values up to 4095, which Pillow does not write."""
    rows = (b"\0" + struct.pack(">H", 4095) * 8 * channels) * 8
    head = struct.pack(">2I5B", 8, 8, 16, colour_type, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("place", ["train/cat/0.png", "train/dog/2.png", "test/cat/1.png"])
def test_colours_and_transparency_of_16_bits_are_said_once(tmp_path, colour_type, channels, place):
    root = write_images(tmp_path)
    deep_png(root / place, colour_type, channels)
    (told,) = warned(lambda: loaded(root))
    assert "images of 16 bits in colours or with transparency, of which the 8 highest are kept" in told
    assert place in told
    assert warned(lambda: loaded(root, "test")) == []


@pytest.mark.parametrize("place", ["train/dog/0", "train/dog/2", "test/cat/1"])
def test_pages_of_any_image_are_said(tmp_path, place):
    root = write_images(tmp_path, mode="L")
    pages = [Image.new("L", (8, 8), value) for value in (9, 200)]
    pages[0].save(root / f"{place}.png", save_all=True, append_images=pages[1:])
    (told,) = warned(lambda: loaded(root))
    assert f"several frames or pages, of which the first is used: {place}.png" in told


@pytest.mark.parametrize("name", ["0.jpg", "0.MPO", "0.jpeg"])
def test_a_photograph_with_another_behind_it_counts_and_is_said(tmp_path, name):
    root = write_images(tmp_path, mode="L")
    (root / "train/dog/0.png").unlink()
    pages = [Image.new("L", (8, 8), value) for value in (9, 200)]
    pages[0].save(root / "train/dog" / name, "MPO", save_all=True, append_images=pages[1:])
    with pytest.warns(UserWarning, match=rf"pages, of which the first is used: train/dog/{name}\.") as told:
        assert loaded(root).images[3].unique().tolist() == [9]
    assert len(told) == 1


def test_pages_after_the_first_are_said(tmp_path):
    root = write_images(tmp_path, mode="L")
    pages = [Image.new("L", (8, 8), value) for value in (9, 200)]
    pages[0].save(root / "train/dog/0.png", save_all=True, append_images=pages[1:])
    with pytest.warns(UserWarning, match=r"several frames or pages, of which the first is used: train/dog/0\.png"):
        assert loaded(root).images[3].unique().tolist() == [9]


def test_an_image_that_lies_on_its_side_has_the_size_that_is_seen(tmp_path):
    root = write_images(tmp_path, size=(8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in root.rglob("*.png"):
        image = Image.new("RGB", (8, 8), "black")
        image.paste("white", (0, 0, 8, 2))
        image.save(path, exif=exif)
    data = loaded(root)
    assert data.images[0, 0, 0].tolist() == [0] * 6 + [255] * 2


def test_headers_are_read_once_for_both_splits_and_again_if_a_file_changes(tmp_path, monkeypatch):
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(3):
                Image.new("L", (4, 4), i).save(tmp_path / split / name / f"{i}.png")
    monkeypatch.setattr(_statuses, "_SETTLED_S", -1.0)
    read, looked_at = [], survey._looked_at
    monkeypatch.setattr(survey, "_looked_at", lambda path: read.append(path) or looked_at(path))
    assert folder_images(tmp_path, "train").image_shape == folder_images(tmp_path, "test").image_shape == (1, 4, 4)
    assert len(read) == 12
    Image.new("RGB", (4, 4), (9, 0, 0)).save(tmp_path / "test/b/2.png")
    assert folder_images(tmp_path, "train").image_shape == (3, 4, 4)
    assert len(read) == 24
