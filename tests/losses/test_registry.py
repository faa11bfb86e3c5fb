"""Losses by the names that a user types."""

import pytest
import torch

from sigma2r import CenterLoss, SigmaSquaredRLoss
from sigma2r.losses import registry


def test_every_name_builds_its_loss_with_its_options():
    assert registry.LOSSES == ("cross-entropy", "center", "sigma2r")
    assert registry.build_loss("cross-entropy", 3, 2, {}) is None
    center = registry.build_loss("center", 3, 2, {"reduction": "sum"})
    assert isinstance(center, CenterLoss)
    assert center.reduction == "sum"
    loss = registry.build_loss("sigma2r", 3, 2, {"spread": "std", "neighbors": 5})
    assert isinstance(loss, SigmaSquaredRLoss)
    assert (loss.spread, loss.neighbors, loss.centers.shape) == ("std", 5, (3, 2))


def test_a_built_loss_starts_from_the_global_generator():
    torch.manual_seed(3)
    first = registry.build_loss("sigma2r", 3, 2, {})
    torch.manual_seed(3)
    assert torch.equal(SigmaSquaredRLoss(3, 2).centers, first.centers)


def test_options_are_the_constructors_keywords_with_their_defaults():
    assert registry.loss_options("cross-entropy") == {}
    assert registry.loss_options("center") == {"reduction": "mean", "center_std": 1.0}
    assert registry.loss_options("sigma2r") == {
        "neighbors": 7, "ceiling": 40.0, "eps": 1e-3, "spread": "distance-std", "through_spread": False,
        "max_per_class": None, "reduction": "mean", "center_std": 1.0,
    }  # fmt: skip
    registry.check_loss("sigma2r", {"spread": "rms"})
    registry.check_loss("cross-entropy", {})


@pytest.mark.message
def test_an_unknown_loss_or_option_is_refused_with_the_nearest_names():
    with pytest.raises(ValueError, match=r"sigma2.*Did you mean.*sigma2r"):
        registry.loss_options("sigma2")
    with pytest.raises(ValueError, match=r"neighbours.*Did you mean.*neighbors"):
        registry.check_loss("sigma2r", {"neighbours": 5})
    with pytest.raises(ValueError, match=r"^SigmaSquaredRLoss: neighbors must be"):
        registry.check_loss("sigma2r", {"neighbors": 0})
    with pytest.raises(ValueError, match=r"margin"):
        registry.check_loss("cross-entropy", {"margin": 1.0})
