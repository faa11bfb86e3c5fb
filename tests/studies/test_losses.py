"""Losses by the names that a user types."""

import pytest
import torch

from sigma2r import BalancedBatchSampler, CenterLoss, JointLoss, SigmaSquaredRLoss
from sigma2r.studies import build
from sigma2r.studies import losses as registry
from sigma2r.studies.run import Run


def test_every_name_builds_its_loss_with_its_options():
    assert registry.LOSSES == (
        "cross-entropy", "center", "sigma2r", "soft-nearest-neighbor", "git", "contrastive-center", "triplet-center",
        "nearest-negative-triplet", "contrastive",
    )  # fmt: skip
    for name in registry.LOSSES[1:]:
        loss = registry.build_loss(name, 3, 2, {"normalize": True})
        assert loss.normalize
        assert torch.isfinite(loss(torch.randn(6, 2), torch.arange(6) % 3))
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
    assert registry.loss_options("center") == {
        "center_update": "gradient", "alpha": 0.5, "normalize": False, "compat": None, "reduction": "mean",
        "center_std": 1.0,
    }  # fmt: skip
    assert registry.loss_options("git")["push_weight"] == 1.0
    assert registry.loss_options("sigma2r") == {
        "neighbors": 7, "ceiling": 40.0, "eps": 1e-3, "spread": "distance-std", "through_spread": False,
        "max_per_class": None, "classes_per_batch": None, "normalize": False, "reduction": "mean", "center_std": 1.0,
        "fixed_growth": None,
    }  # fmt: skip
    registry.own_options("sigma2r", {"spread": "rms"})
    registry.own_options("cross-entropy", {})


@pytest.mark.message
def test_an_unknown_loss_or_option_is_refused_with_the_nearest_names():
    with pytest.raises(ValueError, match=r"sigma2.*Did you mean.*sigma2r"):
        registry.loss_options("sigma2")
    with pytest.raises(ValueError, match=r"neighbours.*Did you mean.*neighbors"):
        registry.own_options("sigma2r", {"neighbours": 5})
    with pytest.raises(ValueError, match=r"^sigma2r: neighbors must be"):
        registry.own_options("sigma2r", {"neighbors": 0})
    with pytest.raises(ValueError, match=r"^center: a run needs one number for a batch"):
        registry.own_options("center", {"reduction": "none"})
    with pytest.raises(ValueError, match=r"margin"):
        registry.own_options("cross-entropy", {"margin": 1.0})


@pytest.mark.parametrize("sampling", ["repeat", "cover"])
def test_the_trainer_tells_sigma2r_what_its_batches_hold(sampling):
    labels = [0] * 40 + [1] * 10 + [2] * 10 + [3] * 10
    sampler = BalancedBatchSampler(labels, 24, classes_per_batch=3, sampling=sampling)

    def built(loss):
        criterion = build._criterion(Run(loss=loss), 4, 2, sampler)
        assert isinstance(criterion, JointLoss)
        return criterion.auxiliaries[0]

    loss = built("sigma2r@0.1")
    assert loss.max_per_class == sampler.max_per_class
    assert loss.classes_per_batch == (3 if sampling == "repeat" else None)  # what covers holds about as many
    assert built("sigma2r@0.1[classes_per_batch=4,max_per_class=11]").classes_per_batch == 4
    assert built("center@0.1").num_classes == 4
