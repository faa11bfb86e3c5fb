"""Augmentation against pixel-by-pixel references."""

import math
import os
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

from sigma2r.data import Augmentation, augment, describe_augmentation


def pad_and_crop(image, crop, dx, dy):
    """The window of an image padded with ``crop`` black pixels that begins ``dx``, ``dy`` from its middle place."""
    channels, height, width = image.shape
    result = torch.zeros_like(image)
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    result[c, y, x] = image[c, y + dy, x + dx]
    return result


def variants(image, crop):
    """Every image that shifts and flips can make of one, by their choice."""
    return {
        (flip_x, flip_y, dx, dy): shifted
        for flip_x in (False, True)
        for flip_y in (False, True)
        for dx in range(-crop, crop + 1)
        for dy in range(-crop, crop + 1)
        for shifted in [pad_and_crop(image, crop, dx, dy)]
        for shifted in [shifted.flip(2) if flip_x else shifted]
        for shifted in [shifted.flip(1) if flip_y else shifted]
    }


def test_shift_and_flips_move_pixels_exactly_and_every_choice_comes():
    image = torch.rand(2, 5, 6)
    known = variants(image, 1)
    changed = augment(
        image.expand(400, -1, -1, -1),
        Augmentation(crop=1, horizontal_flip=0.5, vertical_flip=0.5),
        torch.Generator().manual_seed(0),
    )
    seen = set()
    for got in changed:
        matching = [choice for choice, wanted in known.items() if torch.equal(got, wanted)]
        assert len(matching) == 1
        seen.update(matching)
    assert seen == set(known)


def test_flips_come_as_often_as_asked():
    images = torch.arange(4.0).view(1, 1, 2, 2).expand(4000, -1, -1, -1)
    changed = augment(images, Augmentation(horizontal_flip=0.25), torch.Generator().manual_seed(0))
    assert 0.22 < float((changed[:, 0, 0, 0] == 1).float().mean()) < 0.28
    assert (augment(images, Augmentation(vertical_flip=1.0), torch.Generator())[:, 0, 0, 0] == 2).all()


@pytest.mark.parametrize("shape", [(1, 1, 7, 7), (1, 2, 6, 9)])
def test_rotation_agrees_with_a_loop_over_pixels(shape):
    image = torch.rand(shape, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    changed = augment(image, Augmentation(rotation=60.0), generator)
    twin = torch.Generator().manual_seed(3)
    torch.randint(0, 1, (1,), generator=twin), torch.randint(0, 1, (1,), generator=twin)  # the two shifts
    angle = torch.pi / 3 * (2 * torch.rand(1, generator=twin) - 1)
    cos, sin = angle.cos().item(), angle.sin().item()
    height, width = shape[2:]
    expected = torch.zeros_like(image)
    for y in range(height):
        for x in range(width):
            across, down = x - (width - 1) / 2, y - (height - 1) / 2
            from_x = cos * across - sin * down + (width - 1) / 2
            from_y = sin * across + cos * down + (height - 1) / 2
            left, top = int(from_x // 1), int(from_y // 1)
            for py, px in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
                if 0 <= py < height and 0 <= px < width:
                    share = (1 - abs(from_x - px)) * (1 - abs(from_y - py))
                    expected[:, :, y, x] += share * image[:, :, py, px]
    assert abs(angle.item()) > 0.1
    assert_close(changed, expected, rtol=1e-5, atol=1e-5)


def test_rotation_with_shift_and_flips_agrees_with_moving_pixels_where_the_angle_is_zero():
    images = torch.rand(50, 1, 8, 8, dtype=torch.float64)
    moved = augment(images, Augmentation(crop=2, horizontal_flip=0.5, vertical_flip=0.5), torch.Generator())
    turned = augment(
        images, Augmentation(crop=2, rotation=1e-9, horizontal_flip=0.5, vertical_flip=0.5), torch.Generator()
    )
    assert_close(turned, moved, rtol=1e-6, atol=1e-6)
    assert not torch.equal(moved, images)


def seen_from(image, place_x, place_y):
    """The image at a place between its pixels, bilinearly, black outside."""
    channels, height, width = image.shape
    value = torch.zeros(channels, dtype=image.dtype)
    left, top = int(place_x // 1), int(place_y // 1)
    for y, x in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        if 0 <= y < height and 0 <= x < width:
            value += (1 - abs(place_x - x)) * (1 - abs(place_y - y)) * image[:, y, x]
    return value


@pytest.mark.parametrize(
    ("flips", "crop"),
    [((1.0, 0.0), 0), ((0.0, 1.0), 0), ((1.0, 1.0), 0), ((0.5, 0.0), 2), ((0.5, 0.5), 2)],
    ids=["left-right", "up-down", "both", "the desk's own setting", "all"],
)
def test_rotation_with_flips_and_shifts_agrees_with_a_loop_over_pixels(flips, crop, generator):
    images = torch.rand(6, 2, 6, 9, dtype=torch.float64, generator=generator)
    height, width = images.shape[2:]
    asked = Augmentation(crop=crop, rotation=50.0, horizontal_flip=flips[0], vertical_flip=flips[1])
    changed = augment(images, asked, torch.Generator().manual_seed(5))
    twin = torch.Generator().manual_seed(5)  # the order of the choices: shifts, angles, flips
    shift_x, shift_y = (torch.randint(-crop, crop + 1, (6,), generator=twin).tolist() for _ in "xy")
    angles = (torch.pi * 50 / 180 * (2 * torch.rand(6, generator=twin) - 1)).tolist()
    flip_x, flip_y = ((torch.rand(6, generator=twin) < share).tolist() for share in flips)
    expected = torch.zeros_like(images)
    for i, angle in enumerate(angles):
        cos, sin = math.cos(angle), math.sin(angle)
        for y in range(height):
            for x in range(width):
                # Pixels from the middle: mirrored first, then turned, then moved.
                across = (x - (width - 1) / 2) * (-1 if flip_x[i] else 1)
                down = (y - (height - 1) / 2) * (-1 if flip_y[i] else 1)
                place_x = cos * across - sin * down + shift_x[i] + (width - 1) / 2
                place_y = sin * across + cos * down + shift_y[i] + (height - 1) / 2
                expected[i, :, y, x] = seen_from(images[i], place_x, place_y)
    assert_close(changed, expected, rtol=1e-5, atol=1e-5)


def test_a_generator_that_goes_on_gives_other_changes_each_time():
    images = torch.rand(9, 3, 8, 8)
    for asked in (Augmentation(crop=2), Augmentation(rotation=15.0), Augmentation(horizontal_flip=0.5)):
        going_on = torch.Generator().manual_seed(1)
        first, second = augment(images, asked, going_on), augment(images, asked, going_on)
        assert not torch.equal(first, second)
        assert not torch.equal(first, images)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "Training images are not augmented."),
        ({"crop": 1}, "Training images are shifted by up to 1 pixel, and not flipped."),
        (
            {"crop": 4, "rotation": 10.0},
            "Training images are shifted by up to 4 pixels and turned by up to 10 degrees, and not flipped.",
        ),
        (
            {"horizontal_flip": 0.5},
            "Training images are flipped left to right with probability 0.5. Where a mirror image means something "
            "else, as an arrow does, add --augmentation.horizontal_flip 0.",
        ),
        (
            {"rotation": 2.5, "horizontal_flip": 0.25, "vertical_flip": 1.0},
            "Training images are turned by up to 2.5 degrees, flipped left to right with probability 0.25 and flipped "
            "upside down with probability 1. Where a mirror image means something else, as an arrow does, add "
            "--augmentation.horizontal_flip 0 --augmentation.vertical_flip 0.",
        ),
    ],
)
def test_what_happens_to_training_images_is_one_sentence(values, said):
    assert describe_augmentation(Augmentation(**values)) == said


def test_each_image_has_its_own_angle_within_the_range():
    # One bright pixel right of the middle of a wide black image: its height tells the angle.
    images = torch.zeros(300, 1, 101, 101)
    images[:, :, 50, 90] = 1.0
    changed = augment(images, Augmentation(rotation=20.0), torch.Generator().manual_seed(0))
    rows = (changed[:, 0].sum(2) * torch.arange(101)).sum(1) / changed[:, 0].sum((1, 2))
    angles = torch.rad2deg(torch.asin(((rows - 50) / 40).clamp(-1, 1)))
    assert angles.abs().max() < 21
    assert angles.max() > 17
    assert angles.min() < -17
    assert angles.unique().numel() > 250


def test_the_same_seed_gives_the_same_images():
    images = torch.rand(9, 3, 8, 8)
    everything = Augmentation(crop=2, rotation=15.0, horizontal_flip=0.5, vertical_flip=0.5)

    def changed(seed):
        return augment(images, everything, torch.Generator().manual_seed(seed))

    assert torch.equal(changed(1), changed(1))
    assert not torch.equal(changed(1), changed(2))


def test_nothing_to_change_returns_the_same_images():
    images = torch.rand(3, 1, 4, 4)
    assert augment(images, Augmentation(), torch.Generator()) is images


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": -1}, r"crop must be a whole number of at least 0; got -1"),
        ({"crop": 1.5}, r"crop must be a whole number"),
        ({"rotation": 181.0}, r"rotation must lie in \[0, 180\]; got 181"),
        ({"horizontal_flip": 1.5}, r"horizontal_flip must lie in \[0, 1\]; got 1.5"),
        ({"vertical_flip": float("nan")}, r"vertical_flip must lie in"),
    ],
)
def test_values_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValueError, match=f"Augmentation: {message}"):
        Augmentation(**values)


ROTATED = """
import hashlib
import torch
from sigma2r.data import Augmentation, augment
images = torch.rand(64, 3, 29, 31, generator=torch.Generator().manual_seed(0))
changed = augment(images, Augmentation(crop=3, rotation=35.0, horizontal_flip=0.5), torch.Generator().manual_seed(1))
print(torch.backends.cpu.get_cpu_capability(), hashlib.sha256(changed.numpy().tobytes()).hexdigest())
"""


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="this processor has no other instructions"
)
def test_rotation_gives_the_same_bytes_whatever_instructions_torch_uses():
    def under(instructions):
        done = subprocess.run(
            [sys.executable, "-c", ROTATED], env={**os.environ, "ATEN_CPU_CAPABILITY": instructions},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.split()

    (plain, expected), (others, changed) = under("default"), under("")
    assert plain == "DEFAULT" != others
    assert changed == expected


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_rotation_computes_where_in_at_least_single_precision_and_keeps_the_kind_of_pixels(kind):
    images = torch.rand(8, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    setting = Augmentation(rotation=30.0)
    changed = augment(images.to(kind), setting, torch.Generator().manual_seed(1))
    assert changed.dtype == kind
    expected = augment(images.to(kind).double(), setting, torch.Generator().manual_seed(1))
    assert_close(changed.double(), expected, atol=2 * torch.finfo(kind).eps if kind != torch.float64 else 0, rtol=0)
