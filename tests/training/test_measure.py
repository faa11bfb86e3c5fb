"""What is measured on a split: the same whether features are kept for the tail or computed once more."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from sigma2r.data.preprocess import Preprocess
from sigma2r.models import build_model
from sigma2r.training import measure as module
from sigma2r.training.measure import measure


@pytest.fixture
def split():
    images = torch.randint(0, 256, (40, 1, 16, 16), dtype=torch.uint8)
    labels = torch.arange(40) % 3
    return [(images[i : i + 7], labels[i : i + 7]) for i in range(0, 40, 7)]


def measured(split):
    torch.manual_seed(0)
    model = build_model("lenet", in_channels=1, image_size=16, num_classes=3, feature_dim=2)
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    preprocess = Preprocess(torch.full((1,), 127.0), torch.full((1,), 64.0))
    found = measure(model, preprocess, split, 3, torch.device("cpu"), lambda: torch.autocast("cpu", enabled=False))
    features = torch.cat([model(preprocess(images))[0] for images, _ in split]).detach().double()
    return found, len(calls) - len(split), features


def test_the_tail_is_that_of_the_distances_to_the_class_means(split):
    found, passes, features = measured(split)
    labels = torch.cat([labels for _, labels in split])
    distances = [
        float((feature - features[labels == label].mean(0)).norm())
        for feature, label in zip(features, labels, strict=True)
    ]
    assert found.tail == pytest.approx((sorted(distances)[39], max(distances)))  # 99 % of 40 is all of them
    assert passes == len(split)


def test_features_that_are_too_many_are_computed_again_with_the_same_result(split, monkeypatch):
    kept, _, _ = measured(split)
    monkeypatch.setattr(module, "_KEPT", 50)
    again, passes, _ = measured(split)
    assert again.tail == kept.tail
    assert again.accuracy == kept.accuracy
    assert passes == 2 * len(split)


def test_spread_and_tail_of_every_split_are_told_over_the_distance_of_training_images(split):
    found, _, _ = measured(split)
    assert found.figures(4.0)["intra_inter"] == pytest.approx(found.figures(1.0)["intra_mean"] / 4)
    figures = dataclasses.replace(found, tail=(2.0, 6.0)).figures(4.0)
    assert (figures["tail_99"], figures["tail_max"]) == (0.5, 1.5)
    assert figures["inter"] == pytest.approx(float(found.statistics.inter_class_distance()))
    nowhere = dataclasses.replace(found, tail=(2.0, 6.0)).figures(0.0)
    assert all(math.isnan(nowhere[name]) for name in ("intra_inter", "tail_99", "tail_max"))


class Knows(nn.Module):
    """Its largest logit is that of the class which the brightness of an image names."""

    def forward(self, images):
        named = images[:, 0, 0, 0].long()
        return images.flatten(1)[:, :2], nn.functional.one_hot(named, 3).float()


def test_accuracy_is_the_share_whose_largest_logit_is_that_of_the_class():
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    named = torch.tensor([0, 1, 2, 1, 1, 0, 0, 1])  # six of eight
    images = named.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    plain = Preprocess(torch.zeros(1), torch.ones(1))
    batches = [(images[:5], labels[:5]), (images[5:], labels[5:])]
    found = measure(Knows(), plain, batches, 3, torch.device("cpu"), lambda: torch.autocast("cpu", enabled=False))
    assert found.accuracy == 0.75
