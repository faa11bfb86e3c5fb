"""Random parts and colors of training images: torchvision, and loops over pixels, are the oracles."""

import math

import pytest
import torch
from scipy.stats import ks_2samp
from torch.testing import assert_close
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from sigma2r.data import POLICIES, Augmentation, augment, describe_augmentation
from sigma2r.data.recolor import recolor
from sigma2r.data.windows import random_windows, window_coordinates
from tests.data.photographs import as_tensor, real_pixels
from tests.reference.photographs import enlarged, recolored


@pytest.fixture
def photographs() -> torch.Tensor:
    return torch.stack([as_tensor(image) for images in real_pixels().values() for image in images]).float()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Windows


@pytest.mark.parametrize("least", [0.08, 0.35, 0.9])
def test_windows_are_spread_as_those_of_torchvision(least):
    """Over an image of so many pixels that its whole numbers do not matter."""
    side = 4000
    size, place = random_windows(4000, least, seeded(0))
    torch.manual_seed(0)
    drawer = v2.RandomResizedCrop(8, scale=(least, 1.0))
    drawn = [drawer.make_params([torch.empty(1, side, side)]) for _ in range(4000)]
    for mine, name in ((size[:, 0], "width"), (size[:, 1], "height"), (place[:, 0], "left"), (place[:, 1], "top")):
        theirs = [each[name] / side for each in drawn]
        assert ks_2samp(mine.tolist(), theirs).pvalue > 1e-3
    areas = [each["width"] * each["height"] / side**2 for each in drawn]
    assert ks_2samp((size[:, 0] * size[:, 1]).tolist(), areas).pvalue > 1e-3


def test_of_ten_pairs_the_first_that_fits_is_taken():
    """Read one by one, from the same draws."""
    size, place = random_windows(500, 0.6, seeded(4))
    generator = seeded(4)
    areas, ratios = (torch.rand(500, 10, generator=generator, dtype=torch.float64).tolist() for _ in range(2))
    places = torch.rand(500, 2, generator=generator, dtype=torch.float64).tolist()
    for index in range(500):
        width, height = 1.0, 1.0
        for area, ratio in zip(areas[index], ratios[index], strict=True):
            share, shape = 0.6 + 0.4 * area, math.exp(math.log(3 / 4) + ratio * (math.log(4 / 3) - math.log(3 / 4)))
            if math.sqrt(share * shape) <= 1 and math.sqrt(share / shape) <= 1:
                width, height = math.sqrt(share * shape), math.sqrt(share / shape)
                break
        assert_close(size[index].tolist(), [width, height], rtol=1e-12, atol=0)
        there = [free * (1 - taken) for free, taken in zip(places[index], (width, height), strict=True)]
        assert_close(place[index].tolist(), there, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("least", [0.01, 0.35, 0.99, 1.0])
def test_windows_lie_within_the_image_and_are_no_smaller_than_asked(least):
    size, place = random_windows(3000, least, seeded(1))
    assert (place >= 0).all()
    assert (place + size <= 1 + 1e-12).all()
    assert (size[:, 0] * size[:, 1] >= least - 1e-12).all()
    ratio = (size[:, 0] / size[:, 1]).log().abs()
    assert float(ratio.max()) <= math.log(4 / 3) + 1e-12


def test_what_fits_never_is_the_whole_image():
    """Of an area of nearly 1 only the square fits, which is hardly ever drawn."""
    size, place = random_windows(2000, 0.9999, seeded(0))
    whole = (size == 1).all(1)
    assert 0.9 < float(whole.float().mean()) <= 1
    assert (place[whole] == 0).all()


def test_the_place_is_uniform():
    size, place = random_windows(4000, 0.2, seeded(2))
    for axis in (0, 1):
        free = 1 - size[:, axis]
        share = (place[:, axis] / free)[free > 0.01]
        assert ks_2samp(share.tolist(), torch.linspace(0, 1, 1000).tolist()).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(7, 7), (6, 9)])
def test_parts_are_enlarged_as_a_loop_over_pixels_does_it(shape):
    images = torch.rand(5, 2, *shape, dtype=torch.float64)
    changed = augment(images, Augmentation(area=0.2), seeded(3))
    size, place = windows_of_augment(5, 0.2, seed=3)
    for image, got, its_size, its_place in zip(images, changed, size.tolist(), place.tolist(), strict=True):
        for channel, wanted in zip(image.tolist(), got, strict=True):
            expected = torch.tensor(enlarged(channel, its_size, its_place), dtype=torch.float64)
            assert_close(wanted, expected, rtol=0, atol=1e-12)


def windows_of_augment(count, area, seed):
    """What augment draws: two shifts, an angle and two flips come first."""
    generator = seeded(seed)
    for _ in range(2):
        torch.randint(0, 1, (count,), generator=generator)
    for _ in range(3):
        torch.rand(count, generator=generator)
    return random_windows(count, area, generator)


def test_a_window_of_whole_pixels_is_that_of_torchvision_but_at_its_border(photographs):
    """There torchvision repeats the outermost pixels of the window, and what lies beyond is seen here."""
    size, place = torch.tensor([[0.5, 0.75]]), torch.tensor([[0.25, 0.125]])
    image = photographs[:1]
    x, y = (window_coordinates(size[:, axis], place[:, axis], 32)[0] for axis in (0, 1))
    rows = torch.lerp(image[:, :, y.floor().long()], image[:, :, y.ceil().long()], (y % 1).float().view(1, 1, -1, 1))
    mine = torch.lerp(rows[..., x.floor().long()], rows[..., x.ceil().long()], (x % 1).float())
    theirs = tv.resized_crop(image, 4, 8, 24, 16, [32, 32], antialias=True)
    assert_close(mine[:, :, 1:-1, 1:-1], theirs[:, :, 1:-1, 1:-1], rtol=0, atol=1e-3)


def test_an_enlarged_image_may_be_flipped_shifted_and_turned_too(photographs):
    """One pass for all."""
    plain = augment(photographs, Augmentation(area=0.3), seeded(5))
    for axis, flip in ((2, {"vertical_flip": 1.0}), (3, {"horizontal_flip": 1.0})):
        flipped = augment(photographs.flip(axis), Augmentation(area=0.3, **flip), seeded(5))
        assert_close(flipped, plain, rtol=0, atol=1e-3)  # a part is cut from what is flipped already
    turned = augment(photographs, Augmentation(area=0.3, rotation=20.0, crop=3), seeded(5))
    assert not torch.equal(turned, plain)
    assert turned.shape == plain.shape


def test_black_never_moves_into_an_enlarged_part():
    white = torch.full((50, 3, 9, 9), 200.0)
    assert_close(augment(white, Augmentation(area=0.1), seeded(0)), white, rtol=1e-6, atol=0)


# Colors


@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_colors_are_changed_as_a_loop_over_pixels_does_it(photographs, strength):
    images = photographs[:4, :, ::8, ::8].double()
    changed = recolor(images, strength, seeded(7))
    factors = 1 + strength * (2 * torch.rand(3, 4, generator=seeded(7), dtype=torch.float64) - 1)
    for image, got, its_factors in zip(images, changed, factors.T.tolist(), strict=True):
        wanted = torch.tensor(recolored(image.permute(1, 2, 0).tolist(), *its_factors), dtype=torch.float64)
        assert_close(got, wanted.permute(2, 0, 1), rtol=0, atol=1e-9)


def test_colors_are_those_of_torchvision(photographs, monkeypatch):
    """Factor by factor, and all three where brightness cuts nothing off; torchvision's go from 0 to 1."""
    changes = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation)
    factors = torch.tensor([[0.7, 1.2], [1.3, 0.8], [0.6, 1.4]], dtype=torch.float64)
    images = photographs[:2]
    for which in (*range(3), None):
        used = torch.where(torch.tensor([[which in (row, None)] for row in range(3)]), factors, 1.0)
        dark = (images / 2).floor() if which is None else images
        monkeypatch.setattr("sigma2r.data.recolor.torch.rand", lambda *_, used=used, **__: (used - 1) / 2 + 0.5)
        changed = recolor(dark, 1.0, seeded(0))
        for index in range(2):
            wanted = dark[index] / 255
            for change, factor in zip(changes, used[:, index].tolist(), strict=True):
                wanted = change(wanted, factor)
            assert_close(changed[index] / 255, wanted, rtol=0, atol=1.5e-4)


def test_colors_stay_between_black_and_white_and_gray_images_stay_gray():
    images = torch.randint(0, 256, (64, 3, 6, 6)).float()
    changed = recolor(images, 1.0, seeded(0))
    assert changed.min() >= 0
    assert changed.max() <= 255
    gray = images[:, :1].expand(-1, 3, -1, -1)
    one, three = recolor(images[:, :1], 0.5, seeded(1)), recolor(gray, 0.5, seeded(1))
    assert_close(three, one.expand(-1, 3, -1, -1), rtol=0, atol=1e-3)
    assert augment(images[:, :1], Augmentation(color=0.5), seeded(1)).shape == (64, 1, 6, 6)


def test_each_image_has_factors_of_its_own_within_bounds():
    images = torch.full((2000, 1, 2, 2), 100.0)
    changed = recolor(images, 0.2, seeded(0))[:, 0, 0, 0]  # of an even image contrast changes nothing
    assert_close(changed.min(), torch.tensor(80.0), rtol=0, atol=0.2)
    assert_close(changed.max(), torch.tensor(120.0), rtol=0, atol=0.2)
    assert abs(float(changed.mean()) - 100) < 1
    assert changed.unique().numel() > 1900


# Together


def test_the_policy_of_photographs_is_repeatable_and_changes_each_image_in_its_own_way(photographs):
    policy = POLICIES["photographs"]
    first, again, other = (augment(photographs, policy, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    twice = photographs[:1].expand(8, -1, -1, -1)
    assert len({tuple(image.flatten().tolist()) for image in augment(twice, policy, seeded(0))}) == 8
    assert first.min() >= 0
    assert first.max() <= 255


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_follow(photographs, dtype):
    policy = POLICIES["photographs"]
    wanted = augment(photographs, policy, seeded(0))
    got = augment(photographs.to(dtype), policy, seeded(0))
    assert got.dtype == dtype
    assert (got.float() - wanted).abs().max() < (1e-3 if dtype == torch.float64 else 4)


def test_what_is_not_asked_for_draws_nothing():
    """The numbers of older runs stay: after a batch their generator stands where it stood."""
    images, generator = torch.rand(5, 3, 8, 8), seeded(0)
    augment(images, Augmentation(crop=2, rotation=10.0, horizontal_flip=0.5), generator)
    twin = seeded(0)
    for _ in range(2):
        torch.randint(-2, 3, (5,), generator=twin)
    for _ in range(3):
        torch.rand(5, generator=twin)
    assert torch.equal(generator.get_state(), twin.get_state())


def test_policies_are_named_and_changed_by_name():
    assert POLICIES["none"] == Augmentation()
    assert POLICIES["crop"] == Augmentation(crop=4, rotation=10.0)
    usual = Augmentation(crop=2, rotation=5.0)
    assert usual.changed({"policy": "photographs"}) == POLICIES["photographs"]
    assert usual.changed({"color": 0.1, "policy": "photographs"}).color == 0.1
    assert usual.changed({"policy": None, "crop": 1}) == Augmentation(crop=1, rotation=5.0)
    assert usual.changed({"policy": "none", "vertical_flip": 1}) == Augmentation(vertical_flip=1.0)


@pytest.mark.message
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"policy": "photos"}, r'^Augmentation: policy must be None, "none", "crop" or "photographs"; got .photos.'),
        ({"policy": 3}, r"^Augmentation: policy must be"),
        ({"area": 0.0}, r"^Augmentation: area must .*lie in \[0.01, 1\]; 1 leaves images whole; got 0"),
        ({"area": 1.5}, r"area must .*lie in \[0.01, 1\]"),
        ({"color": 1.1}, r"color must .*lie in \[0, 1\]; got 1.1"),
        ({"colour": 0.1}, r"unknown setting of augmentation 'colour'; known: crop, .*, policy\. Did you mean color\?"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Augmentation().changed(values)


def test_what_happens_to_photographs_is_said():
    told = describe_augmentation(POLICIES["photographs"])
    assert told.startswith(
        "Training images are cut to a part of at least 35 % of their area, which is enlarged, changed in brightness, "
        "contrast and saturation by up to 20 % and flipped left to right with probability 0.5. Where a mirror image"
    )
    assert describe_augmentation(Augmentation(color=0.25)) == (
        "Training images are changed in brightness, contrast and saturation by up to 25 %, and not flipped."
    )
