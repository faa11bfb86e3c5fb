"""Arrays, tensors and images become pixels of one shape: what is meant is plain or refused; files and memory agree."""

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sigma2r.data.pixels import read_pixels
from sigma2r.trained.arrays import as_images
from sigma2r.trained.frame import CUT, PAGED, WIDE, Frame, as_8_bits

COLOURS = np.random.default_rng(0).integers(0, 256, (16, 12, 3), dtype=np.uint8)
GRAY = COLOURS[..., 0]


def told(value: object) -> str | None:
    """A value in a test's name, by its kind and shape."""
    shape = getattr(value, "shape", None)
    return None if shape is None else f"{type(value).__name__}-{'x'.join(map(str, shape))}"


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (torch.zeros(8, 9), (1, 1, 8, 9)),
        (torch.zeros(3, 8, 9), (1, 3, 8, 9)),
        (torch.zeros(4, 8, 9), (1, 4, 8, 9)),
        (torch.zeros(5, 1, 8, 9), (5, 1, 8, 9)),
        (torch.zeros(5, 2, 8, 9), (5, 2, 8, 9)),  # a network of two channels
        (np.zeros((8, 9)), (1, 1, 8, 9)),
        (np.zeros((8, 9, 3), np.uint8), (1, 3, 8, 9)),
        (np.zeros((5, 8, 9), np.uint8), (5, 1, 8, 9)),
        (np.zeros((5, 8, 9, 3), np.float32), (5, 3, 8, 9)),
        (np.zeros((5, 8, 9, 1), np.float32), (5, 1, 8, 9)),
    ],
    ids=told,
)
def test_axes_are_those_of_torch_and_of_numpy(value, shape):
    assert tuple(as_images(value, "images", 2).shape) == shape


def test_rows_and_columns_stay_apart():
    assert np.array_equal(as_images(COLOURS, "images", 3)[0, 1], COLOURS[..., 1])
    assert np.array_equal(as_images(COLOURS[None], "images", 3)[0, 2], COLOURS[..., 2])
    assert np.array_equal(as_images(np.stack([GRAY] * 5), "images", 1)[4, 0], GRAY)
    turned = torch.from_numpy(COLOURS).permute(2, 0, 1)
    assert torch.equal(as_images(turned, "images", 3)[0], turned)


@pytest.mark.message
@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (torch.zeros(5, 8, 9, 3), " Did you mean images.permute(0, 3, 1, 2)?"),
        (torch.zeros(8, 9, 3), " Did you mean image.permute(2, 0, 1)?"),
        (torch.zeros(5, 8, 9), " Gray images are images.unsqueeze(1)."),
        (torch.zeros(5), ""),
        (np.zeros((5, 3, 8, 9), np.uint8), " Did you mean images.transpose(0, 2, 3, 1)?"),
        (np.zeros((3, 8, 9), np.uint8), " Did you mean image.transpose(1, 2, 0), or gray images, images[..., None]?"),
        (np.zeros((1, 8, 9), np.uint8), " Did you mean image.transpose(1, 2, 0), or gray images, images[..., None]?"),
        (np.zeros((5, 7, 8, 9), np.uint8), ""),
    ],
    ids=told,
)
def test_what_could_be_read_in_two_ways_is_refused(value, remedy):
    with pytest.raises(ValueError, match=r"^images: images must have the axes \(H, W\), ") as refused:
        as_images(value, "images", 3)
    assert "with 1, 3 or 4 channels; got a " in str(refused.value)
    assert str(refused.value).endswith(f".{remedy}")


@pytest.mark.message
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            torch.zeros(8, 9, dtype=torch.int64),
            "must be uint8, or floating-point in [0, 1]; got a torch.Tensor of shape",
        ),
        (
            np.zeros((8, 9), np.uint16),
            "must be uint8, or floating-point in [0, 1]; got a numpy.ndarray of shape (8, 9)",
        ),
        (np.zeros((8, 9), bool), "must be uint8, or floating-point in [0, 1]"),
        (torch.zeros(0, 3, 8, 9), "must hold pixels; got a torch.Tensor of shape (0, 3, 8, 9)"),
        (np.ma.masked_array(GRAY, GRAY > 3), "must have a number everywhere"),
        (np.array([["a"]]), "must be numbers, not texts"),
    ],
    ids=["int64", "uint16", "bool", "none", "masked", "texts"],
)
def test_other_numbers_are_refused(value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_images(value, "images", 3)


@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
def test_an_image_that_was_divided_by_255_is_what_it_was(kind):
    steps = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    pixels, outside = as_8_bits((steps.double() / 255).to(kind))
    assert torch.equal(pixels, steps)
    assert not outside.any()
    assert as_8_bits(steps)[0] is steps


def test_values_are_rounded_to_8_bits_and_those_outside_are_told():
    values = torch.tensor([0.0, 0.499 / 255, 0.501 / 255, 1.0, -0.4 / 255, 255.4 / 255]).view(1, 1, 1, 6)
    pixels, outside = as_8_bits(values)
    assert pixels.flatten().tolist() == [0, 0, 1, 255, 0, 255]
    assert outside.tolist() == [False]
    wrong = torch.tensor([[0.5, 0.5], [-0.01, 0.5], [0.5, 1.01], [float("nan"), 0.5], [200.0, 3.0]]).view(5, 1, 1, 2)
    assert as_8_bits(wrong)[1].tolist() == [False, True, True, True, True]


def stored(image: Image.Image, kind: str, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer


def palette() -> Image.Image:
    return Image.fromarray(COLOURS).quantize(16)


def turned() -> dict:
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"exif": exif}


FILES = {
    "rgb.png": stored(Image.fromarray(COLOURS), "PNG"),
    "gray.png": stored(Image.fromarray(GRAY), "PNG"),
    "palette.png": stored(palette(), "PNG"),
    "clear.png": stored(palette(), "PNG", transparency=3),
    "alpha.png": stored(Image.fromarray(np.dstack([COLOURS, GRAY])), "PNG"),
    "turned.png": stored(Image.fromarray(COLOURS), "PNG", **turned()),
    "turned.jpg": stored(Image.fromarray(COLOURS), "JPEG", **turned()),
    "deep.png": stored(Image.fromarray(GRAY.astype(np.uint16) * 257), "PNG"),
    "deep.tif": stored(Image.fromarray(GRAY.astype(np.uint16) * 257), "TIFF"),
    "one.tif": stored(Image.fromarray(GRAY > 100), "TIFF"),
    "pages.tif": stored(Image.fromarray(COLOURS), "TIFF", save_all=True, append_images=[Image.new("RGB", (12, 16))]),
    "film.gif": stored(palette(), "GIF", save_all=True, append_images=[Image.new("RGB", (12, 16), "red")]),
    "cmyk.jpg": stored(Image.fromarray(COLOURS).convert("CMYK"), "JPEG"),
    "photo.webp": stored(Image.fromarray(COLOURS), "WEBP"),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FILES)
def test_a_file_and_an_image_that_was_opened_are_seen_as_in_training(tmp_path, name, channels):
    path = tmp_path / name
    path.write_bytes(FILES[name].getvalue())
    wide = name.startswith("turned")
    frame = Frame((channels, 12, 16) if wide else (channels, 16, 12), resize=None)
    expected = read_pixels(path, name, frame.image_shape, rescale=False)
    from_file, lost = frame.of_file(str(path))
    assert torch.equal(from_file, expected)
    with Image.open(path) as image:
        from_image, also_lost = frame.of_image(image, "image")
        assert torch.equal(from_image, expected)
        assert lost == also_lost
        image.load()
        again, _ = frame.of_image(image, "image")
        assert torch.equal(again, expected)
    assert (PAGED in lost) == (name in ("pages.tif", "film.gif"))
    assert (WIDE in lost) == (name in ("deep.png", "deep.tif"))
    assert CUT not in lost


def test_16_bits_in_colours_are_told():
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(bytes([0, *range(12 * row, 12 * row + 12)]) for row in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)  # 2 x 2 pixels, 16 bits, RGB
    deep = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    with Image.open(io.BytesIO(deep)) as image:
        assert Frame((3, 2, 2), resize=None).of_image(image, "x")[1] == [CUT]


def test_pixels_become_what_a_file_of_them_would(tmp_path):
    alpha = np.dstack([COLOURS, GRAY])
    for name, array in (("rgb", COLOURS), ("gray", GRAY), ("rgba", alpha)):
        path = tmp_path / f"{name}.png"
        Image.fromarray(array).save(path)
        pixels = as_images(array, "x", 3)[0]
        for shape in ((1, 16, 12), (3, 16, 12), (3, 8, 8)):
            frame = Frame(shape, resize="stretch")
            assert torch.equal(frame.of_pixels(pixels, "x")[0], frame.of_file(str(path))[0]), (name, shape)


@pytest.mark.message
def test_channels_that_no_image_file_has_are_told(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "x.png")
    two = Frame((2, 16, 12), resize=None)
    with pytest.raises(
        ValueError, match="must have 2 channels, as the images of the training; image files have 1 or 3"
    ):
        two.of_file(str(tmp_path / "x.png"))
    pixels = torch.zeros(2, 16, 12, dtype=torch.uint8)
    assert two.of_pixels(pixels, "x")[0] is pixels
    with pytest.raises(ValueError, match="x must have 2 channels, as the images of the training; it has 3"):
        two.of_pixels(torch.zeros(3, 16, 12, dtype=torch.uint8), "x")
    with pytest.raises(ValueError, match="x must have 3 channels, as the images of the training; it has 2"):
        Frame((3, 16, 12), resize="stretch").of_pixels(pixels, "x")


def test_whatever_pillow_finds_wrong_with_an_image_is_one_sentence(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(FILES["rgb.png"].getvalue()[:200])
    frame = Frame((3, 16, 12), resize=None)
    with pytest.raises(ValueError, match="must be a readable image: ") as refused:
        frame.of_file(str(path))
    with Image.open(path) as image, pytest.raises(ValueError, match="must be a readable image: ") as again:
        frame.of_image(image, str(path))
    assert str(again.value) == str(refused.value)


def unread(frame: Frame, value: object) -> Tensor:
    return frame.of_pixels(as_images(value, "x", 3)[0], "x")[0]


def test_a_frame_names_what_it_wants_of_another_size():
    with pytest.raises(
        ValueError, match=r"x must have the size of the other images, 12 x 16; it has 8 x 8. resize='crop'"
    ):
        unread(Frame((3, 16, 12), resize=None), np.zeros((8, 8, 3), np.uint8))
    assert unread(Frame((3, 16, 12), resize="stretch"), np.zeros((8, 8, 3), np.uint8)).shape == (3, 16, 12)


def test_paths_of_any_letters_are_read(tmp_path):
    path = tmp_path / "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{RIGHT-TO-LEFT OVERRIDE}.png"
    path.write_bytes(FILES["rgb.png"].getvalue())
    assert Frame((3, 16, 12), resize=None).of_file(str(Path(path)))[0].shape == (3, 16, 12)


@pytest.mark.message
def test_values_that_need_a_range_are_refused_with_a_remedy_that_there_is(tmp_path):
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "x.tif")
    told = (
        r"its own go from 0 to 1\. Convert it to 8 bits, as the images of the training, or train with --pixel_range\.$"
    )
    with pytest.raises(ValueError, match=told):
        Frame((1, 8, 8), None).of_file(str(tmp_path / "x.tif"))


@pytest.mark.message
def test_what_is_no_file_is_told_before_it_is_opened(tmp_path):
    (tmp_path / "x.png").symlink_to(tmp_path / "gone")
    told = r"x\.png must be a readable image; it is a link that leads nowhere\. Take it out\.$"
    with pytest.raises(ValueError, match=told):
        Frame((3, 8, 8), None).of_file(str(tmp_path / "x.png"))
