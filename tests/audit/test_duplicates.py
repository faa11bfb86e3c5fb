"""Exact and near duplicates: digests, signatures, pairs, groups, leaks."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sigma2r.audit import grouped, near_pairs, near_within, pixel_digests, same, signatures
from sigma2r.audit.groups import duplicate_groups
from sigma2r.audit.images import Images
from sigma2r.audit.near import usual_distance
from tests.reference import audit as reference


@pytest.fixture
def pictures(generator):
    """Smooth pictures, 32 x 32 RGB."""
    coarse = torch.rand(40, 3, 8, 8, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")
    return (255 * fine).to(torch.uint8)


def images_of(pixels, splits=None, labels=None):
    count = len(pixels)
    return Images(
        names=[f"{row}.png" for row in range(count)],
        splits=splits or ["train"] * count,
        labels=torch.zeros(count, dtype=torch.int64) if labels is None else labels,
        class_names=("cat", "dog"),
        read=lambda rows: pixels[list(rows)],
    )


def test_digests_are_the_same_for_the_same_pixels_alone(pictures):
    other = pictures[0].clone()
    other[2, 31, 31] ^= 1
    digests = pixel_digests(torch.stack([pictures[0], pictures[0].clone(), other]))
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 16


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda p: p[0] != p[1])))
def test_groups_are_what_is_reached_by_pairs(pairs):
    reached = {place: {place} for pair in pairs for place in pair}
    for _ in range(len(pairs) + 1):
        for one, other in pairs:
            both = reached[one] | reached[other]
            for place in both:
                reached[place] = reached[place] | both
    assert {tuple(group) for group in grouped(pairs)} == {tuple(sorted(group)) for group in reached.values()}


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 48, 16), (1, 8, 8), (3, 64, 8)])
def test_signatures_are_those_of_the_reference(generator, shape):
    pixels = torch.randint(0, 256, (5, *shape), generator=generator).to(torch.uint8)
    theirs = [torch.from_numpy(reference.signature(image.numpy())).float() for image in pixels]
    torch.testing.assert_close(signatures(pixels), torch.stack(theirs), rtol=1e-4, atol=1e-5)


def test_brightness_and_contrast_do_not_count_and_one_colour_is_like_nothing(pictures):
    image = pictures[:1].float() / 2
    changed = torch.cat([image, image + 60, 0.5 * image + 20, torch.full_like(image, 90.0)]).to(torch.uint8)
    small = signatures(changed)
    assert torch.cdist(small[:3], small[:3]).max() < 0.03
    assert not small[3].any()


@pytest.mark.parametrize("block", [1, 7, 40, 4096])
def test_near_pairs_are_those_of_all_loops(pictures, generator, block):
    noisy = (pictures.float() + 20 * torch.randn(pictures.shape, generator=generator)).clamp(0, 255).to(torch.uint8)
    small = signatures(torch.cat([pictures, noisy[:15], torch.full((2, 3, 32, 32), 7, dtype=torch.uint8)]))
    within = 0.4
    theirs = reference.near([row.numpy().astype("f8") for row in small], within)
    pairs, apart = near_pairs(small, within, block=block)
    assert len(theirs) >= 15
    assert [tuple(pair) for pair in pairs.tolist()] == sorted(theirs)
    torch.testing.assert_close(
        apart, torch.tensor([theirs[pair] for pair in sorted(theirs)]).double(), atol=1e-6, rtol=0
    )


def test_what_is_hardly_too_far_is_not_near():
    half = math.asin(0.2)  # of the angle between two that are 0.4 apart
    for more, count in ((-1e-5, 1), (1e-5, 0)):
        angles = torch.tensor([0.0, 2 * half + more], dtype=torch.float64)
        pairs, apart = near_pairs(torch.stack([angles.cos(), angles.sin()], 1).float(), 0.4)
        assert len(pairs) == len(apart) == count


def test_noise_on_one_colour_is_like_nothing(generator):
    noisy = 90 + torch.randint(0, 2, (4, 3, 32, 32), generator=generator)
    assert not signatures(noisy.to(torch.uint8)).any()


def test_what_is_usual_is_the_median_nearest_that_is_not_the_same(pictures):
    small = signatures(torch.cat([pictures, pictures[:3]]))
    nearest = []
    for row in small.double():
        apart = [float(torch.dist(row, other)) for other in small.double()]
        nearest.append(min(value for value in apart if value > 0.01))
    assert usual_distance(small) == pytest.approx(sorted(nearest)[(len(nearest) - 1) // 2], rel=1e-3)
    assert near_within(small, 0.3) == pytest.approx(0.3 * usual_distance(small))
    assert near_within(small, 50.0) == 0.5
    assert usual_distance(small[:1]) == math.inf


def test_leaks_come_first_and_a_group_knows_what_it_means(pictures, generator):
    pixels = pictures[:20].clone()
    pixels[5] = pixels[4]  # within train, the same
    pixels[15] = pixels[3]  # across
    pixels[16] = (pixels[2].float() + 4 * torch.randn(3, 32, 32, generator=generator)).clamp(0, 255).to(torch.uint8)
    labels = torch.zeros(20, dtype=torch.int64)
    labels[5] = 1
    groups = duplicate_groups(images_of(pixels, ["train"] * 10 + ["test"] * 10, labels), 0.3)
    assert [(group.rows, group.exact, group.is_leak, group.contradicts) for group in groups] == [
        ((3, 15), True, True, False),
        ((2, 16), False, True, False),
        ((4, 5), True, False, True),
    ]
    assert groups[0].distance == 0
    assert 0 < groups[1].distance < 0.3
    assert groups[1].splits == ("train", "test")
    assert groups[2].classes == ("cat", "dog")


def test_a_copy_of_one_of_a_near_pair_is_of_its_group(pictures, generator):
    noisy = (pictures[2].float() + 4 * torch.randn(3, 32, 32, generator=generator)).clamp(0, 255).to(torch.uint8)
    pixels = torch.cat([pictures, noisy[None], pictures[2:3]])
    (group,) = duplicate_groups(images_of(pixels), 0.3)
    assert group.rows == (2, 40, 41)
    assert not group.exact


def test_many_copies_of_one_image_are_one_group(pictures):
    pixels = torch.cat([pictures, pictures[:1].repeat(50, 1, 1, 1)])
    (group,) = duplicate_groups(images_of(pixels), 0.3)
    assert group.rows == (0, *range(40, 90))
    assert group.exact


def test_pairs_of_the_same_are_with_the_first():
    letters = [each.encode() for each in "abcabca"]
    assert same(letters) == [(0, 3), (1, 4), (2, 5), (0, 6)]
    assert same([bytes([i]) for i in range(5)]) == []
    assert list(itertools.chain(*grouped(same(letters)))) == [0, 3, 6, 1, 4, 2, 5]
