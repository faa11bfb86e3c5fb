"""What a person sees in an image file is what a network sees, whatever mode Pillow gives it."""

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.ExifTags import Base

from sigma2r.data.formats import image_endings, opened
from sigma2r.data.names import ending
from sigma2r.data.pixels import (
    as_pixel_range,
    as_seen,
    has_more_frames,
    is_gray,
    read_pixels,
    turn_upright,
)

RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def stored(image: Image.Image, kind: str, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer


def read(source, channels: int = 3, pixel_range=None) -> torch.Tensor:
    with Image.open(source) as image:
        width, height = image.size
    return read_pixels(source, "x", (channels, height, width), rescale=False, pixel_range=pixel_range)


def as_array(pixels: torch.Tensor) -> np.ndarray:
    array = pixels.permute(1, 2, 0).numpy()
    return array[:, :, 0] if array.shape[2] == 1 else array


def layer(alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([COLOURS, alpha.astype(np.uint8)]))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "JPEG2000"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_keep_their_8_highest(kind, channels):
    source = stored(Image.fromarray(RAMP * 257), kind)
    assert np.array_equal(as_array(read(source, channels)), RAMP if channels == 1 else np.dstack([RAMP] * 3))
    # Between two steps: the low byte is dropped, not rounded, as Pillow does with colours of 16 bits.
    assert np.array_equal(as_array(read(stored(Image.fromarray(RAMP * 256 + 255), kind), 1)), RAMP)


def test_16_bits_of_the_other_byte_order_are_read_alike():
    big = Image.fromarray((RAMP * 257).astype(">u2"))
    assert big.mode == "I;16B"
    assert np.array_equal(as_array(read(stored(big, "TIFF"), 1)), RAMP)


def deep_colours(transparent: bytes = b"") -> io.BytesIO:
    """The ramp as a PNG of 16 bits in three channels, which Pillow does not write."""
    rows = b"".join(b"\0" + b"".join(struct.pack(">3H", *[v * 256 + 200] * 3) for v in row) for row in RAMP.tolist())
    chunks = [(b"IHDR", struct.pack(">2I5B", 16, 16, 16, 2, 0, 0, 0)), (b"tRNS", transparent),
              (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]  # fmt: skip
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
            if data or name == b"IEND"
        )
    )


def test_gray_and_colours_of_16_bits_are_scaled_alike():
    gray = read(stored(Image.fromarray(RAMP * 256 + 200), "PNG"))
    assert torch.equal(read(deep_colours()), gray)


def test_12_bits_of_a_tiff_are_scaled_from_12_bits():
    packed = bytearray()
    for a, b in (RAMP.reshape(-1, 2) * 16).tolist():
        packed += bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255])
    tags = [(256, 3, 16), (257, 3, 16), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 3, 16),
            (279, 4, len(packed))]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in tags)
    tiff = b"II*\0" + struct.pack("<I", 8 + len(packed)) + bytes(packed) + directory + bytes(4)
    assert np.array_equal(as_array(read(io.BytesIO(tiff), 1)), RAMP)


def test_a_tiff_of_16_bits_whose_zero_is_white_is_seen_as_it_is_meant():
    source = stored(Image.fromarray(RAMP * 257), "TIFF", tiffinfo={262: 0})
    assert np.array_equal(as_array(read(source, 1)), 255 - RAMP)


@pytest.mark.parametrize(
    ("values", "pixel_range"),
    [
        (RAMP * 16, (0, 4080)),
        ((RAMP / 255).astype(np.float32), (0, 1)),
        ((RAMP / 127.5 - 1).astype(np.float32), (-1, 1)),
        (RAMP.astype(np.int32) * 1000 - 50_000, (-50_000, 205_000)),
    ],
    ids=["12 of 16 bits", "0 to 1", "-1 to 1", "32 bits"],
)
def test_a_range_says_what_is_black_and_white(values, pixel_range):
    assert np.array_equal(as_array(read(stored(Image.fromarray(values), "TIFF"), 1, pixel_range)), RAMP)


def tiff_of(values: np.ndarray) -> io.BytesIO:
    """A TIFF file of any kind of integers, which Pillow does not write."""
    data, (height, width) = values.astype(values.dtype.newbyteorder("<")).tobytes(), values.shape
    tags = [(256, width), (257, height), (258, 8 * values.dtype.itemsize), (259, 1), (262, 1), (273, 8), (277, 1),
            (278, height), (279, len(data)), (339, 2 if values.dtype.kind == "i" else 1)]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in tags)
    return io.BytesIO(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4))


def fits_of(values: np.ndarray) -> io.BytesIO:
    bits = 8 * values.dtype.itemsize
    cards = ["SIMPLE  =                    T", f"BITPIX  = {bits:20}", "NAXIS   =                    2",
             f"NAXIS1  = {values.shape[1]:20}", f"NAXIS2  = {values.shape[0]:20}", "END"]  # fmt: skip
    head = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    return io.BytesIO(head + values.astype(values.dtype.newbyteorder(">")).tobytes().ljust(2880, b"\0"))


@pytest.mark.message
@pytest.mark.parametrize("pixel_range", [None, (-128, 127)])
@pytest.mark.parametrize(
    ("source", "bits"),
    [(tiff_of(np.array([[-3, 5]], np.int8)), 8), (tiff_of(np.array([[1, 5]], np.int8)), 8),
     (fits_of(np.array([[-3, 500]], np.int16)), 16), (fits_of(np.array([[3, 500]], np.int16)), 16)],
)  # fmt: skip
def test_signed_values_that_pillow_reads_as_unsigned_are_refused(source, bits, pixel_range):
    with pytest.raises(
        ValueError, match=rf"^folder: x holds {bits}-bit values that are signed or may be, which Pillow"
    ):
        read(source, 1, pixel_range)


@pytest.mark.parametrize(
    ("source", "pixel_range"),
    [
        (tiff_of(np.array([[0, 4_000_000_000, 2_000_000_000]], np.uint32)), (0, 4_000_000_000)),
        (tiff_of(np.array([[-500, 500, 0]], np.int16)), (-500, 500)),
        (tiff_of(np.array([[-70_000, 70_000, 0]], np.int32)), (-70_000, 70_000)),
        (tiff_of(np.array([[0, 60_000, 30_000]], np.uint16)), (0, 60_000)),
        (fits_of(np.array([[-70_000, 70_000, 0]], np.int32)), (-70_000, 70_000)),
        (tiff_of(np.array([[0, 255, 128]], np.uint8)), None),
        (fits_of(np.array([[0, 255, 128]], np.uint8)), None),
    ],
)
def test_integers_have_the_sign_that_their_file_tells(source, pixel_range):
    assert as_array(read(source, 1, pixel_range)).tolist() == [[0, 255, 128]]


@pytest.mark.message
def test_values_of_32_bits_without_a_sign_are_told_as_they_are():
    with pytest.raises(ValueError, match=r"32-bit or signed values, .* go from 3 to 3e\+09\."):
        read(tiff_of(np.array([[3, 3_000_000_000]], np.uint32)), 1)


def test_values_outside_the_range_are_black_or_white():
    values = np.array([[-3, 0, 0.5, 1, 7]], dtype=np.float32)
    assert as_array(read(stored(Image.fromarray(values), "TIFF"), 1, (0, 1))).tolist() == [[0, 0, 128, 255, 255]]


@pytest.mark.message
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((RAMP / 255).astype(np.float32), r"^folder: x holds floating-point values, .* go from 0 to 1\. Say it: --"),
        (RAMP.astype(np.int32), r"^folder: x holds 32-bit or signed values, .* go from 0 to 255\. Say it: --"),
        (-RAMP.astype(np.int32), r"its own go from -255 to 0"),
    ],
)
def test_values_whose_black_and_white_no_file_tells_ask_for_a_range(values, message):
    with pytest.raises(ValueError, match=message):
        read(stored(Image.fromarray(values), "TIFF"), 1)


@pytest.mark.message
def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match=r"^folder: x must hold finite values alone"):
        read(stored(Image.fromarray(np.array([[0.5, np.nan]], dtype=np.float32)), "TIFF"), 1, (0, 1))


@pytest.mark.message
@pytest.mark.parametrize("values", [(1, 0), (0, 0), (0,), (0, 1, 2), (0, float("inf")), ("a", "b"), 5, "01x"])
def test_a_range_is_two_numbers_in_order(values):
    with pytest.raises(ValueError, match=r"pixel_range must be two numbers, the values of black and of white"):
        as_pixel_range(values)


def test_a_range_as_json_gives_it_is_two_floats():
    assert as_pixel_range([0, 4095]) == (0.0, 4095.0)
    assert as_pixel_range(None) is None


# How a camera that was held so stores what is upright: undone by what its number in EXIF says.
HELD = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", HELD)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_orientation_is_applied(kind, orientation):
    corner = np.zeros((48, 64, 3), dtype=np.uint8)
    corner[:24, :16] = 255  # which no turn and no mirror leaves in its place
    held = Image.fromarray(corner).transpose(HELD[orientation])
    assert not np.array_equal(np.asarray(held), corner)
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    got = read_pixels(stored(held, kind, exif=exif, **options), "x", (3, 48, 64), rescale=False)
    assert np.abs(as_array(got).astype(int) - corner).mean() < 1


def test_damaged_exif_leaves_an_image_as_it_is_stored():
    source = stored(Image.fromarray(COLOURS), "PNG", exif=b"Exif\0\0no such thing")
    assert np.array_equal(as_array(read(source)), COLOURS)
    image = Image.fromarray(COLOURS)
    image.info["exif"] = b"Exif\0\0II*"
    turn_upright(image)
    assert image.size == (16, 16)


def test_what_is_transparent_lies_on_white():
    alpha = np.zeros((16, 16))
    alpha[:8] = 255
    got = as_array(read(stored(layer(alpha), "PNG")))
    assert np.array_equal(got[:8], COLOURS[:8])  # what is opaque is not changed at all
    assert (got[8:] == 255).all()
    half = as_array(read(stored(layer(np.full((16, 16), 128)), "PNG"))).astype(float)
    assert np.abs(half - (COLOURS * 128.0 + 255 * 127) / 255).max() <= 1


def test_black_ink_on_a_transparent_ground_does_not_become_a_black_image():
    ink = Image.new("LA", (8, 8), (0, 0))
    ink.putpixel((3, 3), (0, 255))
    for channels in (1, 3):
        assert sorted(read(stored(ink, "PNG"), channels).unique().tolist()) == [0, 255]


def test_palettes_and_their_transparency_are_looked_up():
    image = Image.fromarray(COLOURS).quantize(200)
    expected = np.asarray(image.convert("RGB")).copy()
    assert np.array_equal(as_array(read(stored(image, "PNG"))), expected)
    places = np.asarray(image)
    expected[places >= 100] = 255
    source = stored(image, "PNG", transparency=bytes([255] * 100 + [0] * 100))
    assert np.array_equal(as_array(read(source)), expected)
    gif = stored(image, "GIF", transparency=5)
    assert (as_array(read(gif))[places == 5] == 255).all()


def test_a_colour_that_stands_for_transparent_is_white():
    red = Image.new("RGB", (4, 4), (200, 0, 0))
    assert (read(stored(red, "PNG", transparency=(200, 0, 0))) == 255).all()
    assert (read(stored(red, "PNG", transparency=(0, 200, 0)))[0] == 200).all()
    deep = as_array(read(stored(Image.fromarray(RAMP * 257), "PNG", transparency=257 * 7), 1))
    assert np.array_equal(deep, np.where(RAMP == 7, 255, RAMP))
    coloured = as_array(read(deep_colours(struct.pack(">3H", *[7 * 256 + 200] * 3))))
    assert np.array_equal(coloured[:, :, 1], deep)


def test_one_bit_is_black_or_white():
    bits = Image.fromarray(RAMP.astype(np.uint8)).convert("1")
    for kind in ("PNG", "TIFF", "PPM", "BMP"):
        assert np.array_equal(as_array(read(stored(bits, kind), 1)), np.asarray(bits) * 255)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_other_colour_spaces_show_their_colours(mode):
    red = Image.new("RGB", (4, 4), (200, 30, 60))
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.applyTransform(red, ImageCms.buildTransform(*profiles, "RGB", "LAB"))
    else:
        image = red.convert(mode)
    assert image.mode == mode
    source = stored(image, "JPEG", quality=100) if mode == "YCbCr" else stored(image, "TIFF")
    assert (read(source)[:, 0, 0].int() - torch.tensor([200, 30, 60])).abs().max() <= 2


@pytest.mark.parametrize("mode", [mode for mode in Image.MODES if mode not in ("I", "F")])
@pytest.mark.parametrize("gray", [False, True])
def test_every_mode_of_pillow_becomes_8_bits(mode, gray):
    assert as_seen(Image.new(mode, (3, 2)), "x", gray=gray).mode == ("L" if gray else "RGB")


@pytest.mark.parametrize(
    ("image", "gray"),
    [
        (Image.new("L", (4, 4)), True),
        (Image.new("1", (4, 4)), True),
        (Image.new("LA", (4, 4)), True),
        (Image.fromarray(RAMP), True),
        (Image.fromarray(RAMP.astype(np.uint8)).convert("P"), True),
        (Image.fromarray(COLOURS).quantize(64), False),
        (Image.new("RGB", (4, 4)), False),
        (Image.new("RGBA", (4, 4)), False),
    ],
)
def test_gray_is_what_has_no_colours(image, gray):
    with opened(stored(image, "PNG"), "x") as found:
        assert is_gray(found) is gray


def test_frames_after_the_first_are_noticed_and_the_first_is_used(tmp_path):
    frames = [Image.new("L", (8, 8), value) for value in (200, 100, 50)]
    kinds = {"gif": "GIF", "tiff": "TIFF", "png": "PNG", "webp": "WEBP", "mpo": "MPO", "jpg": "MPO", "bmp": "MPO"}
    for suffix, kind in kinds.items():
        path = tmp_path / f"many.{suffix}"
        frames[0].save(path, kind, save_all=True, append_images=frames[1:], lossless=True)
        with opened(path, "x") as image:
            assert has_more_frames(image)
        assert (read(path, 1) == 200).all()
        frames[0].save(path, kind)
        with opened(path, "x") as image:
            assert not has_more_frames(image)


def test_every_ending_that_pillow_registers_for_pixels_counts():
    known = image_endings()
    assert {".jfif", ".jpe", ".avif", ".png", ".tif", ".webp", ".ppm", ".jp2", ".dib", ".apng"} <= set(known)
    assert not {".eps", ".ps", ".pdf", ".h5", ".mpg", ".wmf", ".txt"} & set(known)
    assert len(known) > 50


def test_no_ending_is_left_out_of_which_pillow_reads_what_it_writes():
    left_out = {kind for suffix, kind in Image.registered_extensions().items() if suffix not in image_endings()}
    assert {"PDF", "PALM", "EPS"} <= left_out
    for kind in sorted((left_out & Image.SAVE.keys()) - {"EPS", "BUFR", "GRIB", "HDF5", "WMF"}):  # not by itself
        content = io.BytesIO()
        Image.new("1", (8, 8)).save(content, kind)
        with pytest.raises(UnidentifiedImageError):
            Image.open(content)


def test_a_format_that_a_plugin_registers_counts_from_then_on(monkeypatch):
    assert ".heic" not in image_endings()
    monkeypatch.setitem(Image.EXTENSION, ".heic", "PNG")
    assert image_endings()[".heic"] == "PNG"


def test_an_ending_that_is_not_that_of_the_content_does_not_matter(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "x.jpg", "PNG")
    assert np.array_equal(as_array(read(tmp_path / "x.jpg")), COLOURS)
    assert ending("a.B.PNG") == ".png"
    assert ending("png") == ending(".png") == ""


@pytest.mark.message
@pytest.mark.parametrize(
    "head", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", b"\xd7\xcd\xc6\x9a" + bytes(60)]
)
def test_a_format_that_needs_another_program_is_not_opened(tmp_path, monkeypatch, head):
    def refuse(*_, **__):
        raise AssertionError("no program may be looked for")

    monkeypatch.setattr("subprocess.check_call", refuse)
    monkeypatch.setattr("subprocess.Popen", refuse)
    path = tmp_path / "x.png"
    path.write_bytes(head + b"%%EndComments\n")
    with pytest.raises(ValueError, match=r"x.png must be a readable image: Pillow reads no format that begins like it"):
        read_pixels(path, str(path), (3, 10, 10), rescale=True)


@pytest.mark.message
@pytest.mark.parametrize("error", [struct.error, KeyError, zlib.error, ValueError, ZeroDivisionError, EOFError])
def test_whatever_pillow_stumbles_over_is_said_with_the_name(tmp_path, monkeypatch, error):
    Image.fromarray(COLOURS).save(tmp_path / "x.png")

    def stumble(self):
        raise error("odd.")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", stumble)
    with pytest.raises(
        ValueError, match=r"^folder: here must be a readable image: .?odd(\.')?\. Repair it or take it out"
    ):
        read_pixels(tmp_path / "x.png", "here", (3, 16, 16), rescale=False)


@pytest.mark.message
def test_an_image_of_another_size_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.fromarray(COLOURS).save(tmp_path / "x.png")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"here must have the size of the other images, 8 x 8; it has 16 x 16"):
        read_pixels(tmp_path / "x.png", "here", (3, 8, 8), rescale=False)


@pytest.mark.message
def test_an_image_that_would_fill_the_memory_is_refused(tmp_path):
    head = struct.pack(">2I5B", 40_000, 40_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (tmp_path / "x.png").write_bytes(png + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    with pytest.raises(ValueError, match=re.escape("here must be a readable image: Image size (1600000000 pixels)")):
        read_pixels(Path(tmp_path / "x.png"), "here", (3, 8, 8), rescale=True)
