"""Losses of others, against their papers' equations in loops: the implementations are not ours, their use is."""

import math

import pytest
import torch
from torch.testing import assert_close

from sigma2r import JointLoss
from sigma2r.studies.losses import build_loss, has_classes, loss_options
from sigma2r.studies.yardsticks import YARDSTICKS
from tests.losses.cases import as_lists


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(9, 4, generator=generator, requires_grad=True), torch.arange(9) % 3


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def arcface(features, labels, weights, margin, scale):
    """Eq. 3 of the paper: the angle to the own class's weight is widened by the margin."""
    total = 0.0
    for x, y in zip(features, labels, strict=True):
        angles = [math.acos(cosine(x, column)) for column in zip(*weights, strict=True)]
        logits = [scale * math.cos(a + (margin if k == y else 0.0)) for k, a in enumerate(angles)]
        top = max(logits)
        total += top + math.log(sum(math.exp(v - top) for v in logits)) - logits[y]
    return total / len(labels)


def supcon(features, labels, temperature):
    """The paper's L_out, one view an image: mean over positives outside the logarithm."""
    total = 0.0
    for i, x in enumerate(features):
        others = [j for j in range(len(features)) if j != i]
        scores = {j: cosine(x, features[j]) / temperature for j in others}
        log_sum = math.log(sum(math.exp(v) for v in scores.values()))
        positives = [j for j in others if labels[j] == labels[i]]
        total -= sum(scores[j] - log_sum for j in positives) / len(positives)
    return total / len(features)


def test_arcface_widens_the_angle_and_learns_its_weights():
    features, labels = batch()
    loss = build_loss("arcface", 3, 4, {"margin": 20.0, "scale": 16.0})
    value = loss(features, labels)
    expected = arcface(features.tolist(), labels.tolist(), loss.loss.W.tolist(), math.radians(20.0), 16.0)
    assert value.item() == pytest.approx(expected, rel=1e-4)
    (group,) = JointLoss(loss, weight=0.1).param_groups(lr=0.1)
    assert group["params"] == [loss.loss.W]
    assert (group["lr"], group["weight_decay"]) == (0.1, 0.0)
    value.backward()
    assert loss.loss.W.grad.abs().sum() > 0


def test_supcon_takes_the_mean_over_positives_outside_the_logarithm():
    features, labels = batch()
    loss = build_loss("supcon", 3, 4, {"temperature": 0.5})
    value = loss(features, labels)
    assert value.item() == pytest.approx(supcon(*as_lists([features, labels]), 0.5), rel=1e-4)
    assert JointLoss(loss, weight=0.1).param_groups(lr=0.1) == []
    value.backward()
    assert torch.isfinite(features.grad).all()


def test_a_yardstick_starts_from_the_global_generator():
    starts = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        starts.append(build_loss("arcface", 3, 4, {}).loss.W.detach())
    assert_close(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])


def test_yardsticks_have_options_and_know_whether_they_have_classes():
    assert loss_options("arcface") == {"margin": 28.6, "scale": 64.0}
    assert loss_options("supcon") == {"temperature": 0.1}
    assert {name: has_classes(name) for name in (*YARDSTICKS, "label-smoothing", "center", "contrastive")} == {
        "arcface": True, "supcon": False, "label-smoothing": False, "center": True, "contrastive": False,
    }  # fmt: skip


def test_without_the_other_library_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pytorch_metric_learning", None)
    with pytest.raises(ImportError, match=r"pip install .sigma2r\[yardsticks\]"):
        build_loss("supcon", 3, 4, {})
