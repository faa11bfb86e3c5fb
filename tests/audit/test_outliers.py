"""Outliers: distances to the k-th neighbour, and the fence."""

import math

import pytest
import torch

from sigma2r.audit import far_out, isolation
from tests.reference import audit as reference


@pytest.mark.parametrize("k", [1, 3, 10, 99])
def test_isolation_is_that_of_the_reference(generator, k):
    features = torch.randn(31, 4, generator=generator)
    ours = isolation(features, k)
    torch.testing.assert_close(ours, torch.tensor(reference.isolation(features.double().tolist(), k)).double())


def test_an_image_far_away_is_far_out_and_copies_of_it_do_not_hide_it(generator):
    features = torch.randn(60, 3, generator=generator)
    features[7] = features[8] = 40.0
    apart = isolation(features, k=3)
    assert set(far_out(apart).nonzero().flatten().tolist()) == {7, 8}
    assert set(apart.argsort(descending=True)[:2].tolist()) == {7, 8}


def test_the_fence_is_that_of_the_reference(generator):
    values = torch.rand(101, generator=generator).double() + 0.5
    values[::20] = torch.tensor([0.0, 2.0, 9.0, 50.0, 90.0, 1.0]).double()
    values[1:5] = torch.tensor([3.2, 3.9, 4.5, 5.2])  # beyond other fences
    values[41:60] = 0  # images that coincide
    assert far_out(values).tolist() == reference.quartile_fence(values.tolist())
    assert 3 <= int(far_out(values).sum()) < 7


def test_scale_and_place_do_not_count(generator):
    features = torch.randn(20, 3, generator=generator).double()
    torch.testing.assert_close(isolation(5 * features + 100, 2), isolation(features, 2))


def test_few_images_have_no_outliers():
    assert isolation(torch.ones(1, 3)).tolist() == [0.0]
    assert not far_out(torch.tensor([1.0, 1.0, 500.0])).any()
    assert isolation(torch.zeros(5, 3)).tolist() == [0.0] * 5  # all the same


@pytest.mark.message
def test_features_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match=r"^audit: features must be finite; 1 of 3 rows"):
        isolation(torch.tensor([[1.0], [math.nan], [2.0]]))
