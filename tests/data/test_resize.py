"""How images come to one size: Pillow and torchvision are the oracles, on real photographs and on every proportion."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from sigma2r.data import FolderImages, ImageData, describe_resize, fingerprint, load_images
from sigma2r.data.folder import folder_images
from sigma2r.data.resize import covering, resized
from tests.conftest import noise_image
from tests.data.photographs import as_tensor, real_pixels, write_photographs


def by_torchvision(image: Image.Image, size: int) -> bytes:
    """The shorter side scaled, then the middle, as the field does it."""
    return v2.CenterCrop(size)(v2.Resize(size, antialias=True)(image)).tobytes()


def noise(width: int, height: int) -> Image.Image:
    return noise_image(width, height, 80).convert("RGB")


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 90))
def test_the_middle_is_that_of_torchvision_to_the_bit(width, height, size):
    image = noise(width, height)
    if max(width, height) <= 15 * min(width, height):
        assert resized(image, size, size, "crop").tobytes() == by_torchvision(image, size)
    assert resized(image, size, size, "crop").size == (size, size)


def test_photographs_are_those_of_torchvision_and_pillow_to_the_bit():
    for images in real_pixels().values():
        for image in images:
            for wide in (image.resize((75, 50)), image.resize((31, 90)), image):
                for size in (16, 32, 50, 64):
                    assert resized(wide, size, size, "crop").tobytes() == by_torchvision(wide, size)
                    stretched = wide.resize((size, size), Image.Resampling.BILINEAR)
                    assert resized(wide, size, size, "stretch").tobytes() == stretched.tobytes()


@settings(max_examples=200, deadline=None)
@given(*[st.integers(1, 5000)] * 4)
def test_the_smallest_size_that_covers_another(width, height, least_width, least_height):
    wide, high = covering(width, height, least_width, least_height)
    assert wide == least_width or high == least_height
    assert wide >= least_width
    assert high >= least_height
    assert abs(wide * height - high * width) < max(width, height)  # the same proportions, but for less than a pixel


def test_a_picture_that_is_not_square_is_not_distorted():
    """A square stays one; pulled, it is 40 of 300 pixels wide and 40 of 100 high."""
    image = Image.new("L", (300, 100))
    image.paste(255, (130, 30, 170, 70))
    kept, pulled = (as_tensor(resized(image, 50, 50, how))[0] > 127 for how in ("crop", "stretch"))
    for axis, wanted in ((0, (20, 6)), (1, (20, 20))):
        assert (int(kept.any(axis).sum()), int(pulled.any(axis).sum())) == wanted


@pytest.mark.parametrize(("width", "height"), [(64 * 17, 64), (64, 64 * 17), (2000, 3)])
def test_the_middle_of_a_very_long_image_differs_by_rounding_alone(width, height):
    image = noise(width, height)
    got, wanted = resized(image, 16, 16, "crop").tobytes(), by_torchvision(image, 16)
    assert max(abs(a - b) for a, b in zip(got, wanted, strict=True)) <= 1


def test_a_line_of_a_million_pixels_costs_no_more_than_it_holds():
    """Scaled as a whole it would have 50,000 million."""
    line = Image.new("L", (1_000_000, 1), 7)
    assert set(resized(line, 224, 224, "crop").tobytes()) == {7}


@pytest.mark.parametrize("resize", ["crop", "stretch"])
def test_folders_are_read_so_in_memory_and_from_disk(tmp_path, resize):
    root = tmp_path / "photos"
    for split in ("train", "test"):
        write_photographs(root / split, count=6)
    for split in ("train", "test"):
        held = folder_images(root, split, 24, resize=resize)
        on_disk = folder_images(root, split, 24, 1, resize=resize)
        assert isinstance(held, ImageData)
        assert isinstance(on_disk, FolderImages)
        for index, path in enumerate(on_disk.paths):
            with Image.open(path) as image:
                wanted = as_tensor(resized(image.convert("RGB"), 24, 24, resize))
            assert torch.equal(on_disk[index][0], wanted)
            assert torch.equal(held.images[index], wanted)
        assert held.paths == tuple(on_disk.paths)


def test_proportions_are_kept_unless_the_other_way_is_asked_for(tmp_path):
    root = tmp_path / "photos"
    for split in ("train", "test"):
        write_photographs(root / split, count=6)
    name = f"folder:{root}"
    kept, pulled = (load_images(name, "train", image_size=24, resize=resize) for resize in ("crop", "stretch"))
    assert torch.equal(load_images(name, "train", image_size=24).images, kept.images)
    assert not torch.equal(kept.images, pulled.images)
    on_disk = [folder_images(root, "train", 24, 1, resize=resize) for resize in ("crop", "stretch")]
    assert len({fingerprint(data) for data in (kept, pulled, *on_disk)}) == 4


def test_the_fingerprint_of_stretched_images_on_disk_is_what_it_was(tmp_path):
    """As it was before there was a choice: the setting is not among what is hashed."""
    root = tmp_path / "photos"
    for split in ("train", "test"):
        (root / split / "a").mkdir(parents=True)
        Image.new("RGB", (6, 4), (9, 0, 0)).save(root / split / "a/0.bmp")
    on_disk = folder_images(root, "train", 4, 1, resize="stretch")
    assert fingerprint(on_disk) == BEFORE


BEFORE = "9bb9c5d20a98968d"  # by the version without a choice


@pytest.mark.message
def test_a_way_without_a_size_is_refused(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / split / "a/0.png")
    with pytest.raises(
        ValueError, match=r"^folder: resize says how images come to an image_size, and there is none; got"
    ):
        load_images(f"folder:{tmp_path}", "train", resize="crop")
    for name in ("fuzzy-rgb", "fashion-mnist", "cifar10", "tests.data.test_resize:noise"):
        with pytest.raises(ValueError, match=rf"^{name}: resize is for folder:PATH and csv:FILE; images of"):
            load_images(name, "train", resize="stretch")


def test_what_happens_is_said_with_the_way_to_have_it_otherwise():
    assert "the shorter side has 64 pixels, and the middle 64 x 64 are used. --resize stretch" in describe_resize(
        64, "crop"
    )
    assert "scaled to 64 x 64 pixels, whatever their proportions. --resize crop" in describe_resize(64, "stretch")
