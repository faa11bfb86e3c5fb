"""Features of named layers of a model that is left as it is."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from sigma2r import CenterLoss, FeatureTap, JointLoss


class Network(nn.Module):
    """Returns logits alone, or features too."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4 * 9, 5)

    def both(self, images):
        features = self.body(images).flatten(1)
        return features, self.head(features)

    def forward(self, images):
        return self.both(images)[1]


IMAGES, LABELS = torch.randn(6, 3, 5, 5, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 5


def test_a_tap_gives_what_the_layer_returned_flattened_or_pooled():
    model = Network()
    expected, _ = model.both(IMAGES)
    with FeatureTap(model, "body.0", "body") as tap, FeatureTap(model, "body", pool=True) as pooled:
        logits = model(IMAGES)
        assert torch.equal(tap["body"], expected)
        assert tap["body.0"].shape == (6, 36)
        assert_close(pooled.features, expected.view(6, 4, 9).mean(2))
        assert set(tap) == {"body.0", "body"}
        assert len(tap) == 2
    assert torch.equal(logits, model(IMAGES))


def test_training_through_a_tap_is_training_on_returned_features_bit_for_bit():
    model = Network()
    twin = copy.deepcopy(model)
    criterion = JointLoss(CenterLoss(5, 36), 0.1)
    twin_criterion = copy.deepcopy(criterion)
    with FeatureTap(model, "body") as tap:
        logits = model(IMAGES)
        criterion(tap.features, logits, LABELS).backward()
    twin_criterion(*twin.both(IMAGES), LABELS).backward()
    for a, b in zip([*model.parameters(), *criterion.parameters()],
                    [*twin.parameters(), *twin_criterion.parameters()], strict=True):  # fmt: skip
        assert a.grad.abs().max() > 0
        assert torch.equal(a.grad, b.grad)


def test_a_removed_tap_leaves_no_trace():
    model = Network()
    keys = list(model.state_dict())
    tap = FeatureTap(model, "body", "head")
    assert list(model.state_dict()) == keys
    assert sum(len(layer._forward_hooks) for layer in model.modules()) == 2
    tap.remove()
    tap.remove()
    assert sum(len(layer._forward_hooks) for layer in model.modules()) == 0
    model(IMAGES)
    assert not tap._seen


def test_the_last_call_counts_and_clear_lets_go_of_the_graph():
    model = nn.Linear(3, 3)
    whole = nn.Sequential(model, nn.ReLU(), model)
    with FeatureTap(whole, "0") as tap:
        output = whole(torch.randn(2, 3))
        assert torch.equal(tap.features, output)
        assert tap.features.requires_grad
        tap.clear()
        with pytest.raises(ValueError, match="has returned nothing yet"):
            _ = tap.features
        with torch.no_grad():
            whole(torch.randn(2, 3))
        assert not tap.features.requires_grad


def test_the_tap_of_torchvisions_resnet_gives_the_pooled_features(generator):
    from torchvision.models import resnet18

    model = resnet18(weights=None).eval()
    images = torch.randn(2, 3, 32, 32, generator=generator)
    with FeatureTap(model, "avgpool") as tap, FeatureTap(model, "layer4", pool=True) as last:
        logits = model(images)
        assert tap.features.shape == (2, 512)
        assert_close(model.fc(tap.features), logits)
        assert_close(last.features, tap.features)


@pytest.mark.message
def test_what_cannot_be_tapped_is_refused():
    model = nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 2))
    with pytest.raises(ValueError, match=r"unknown layer of the model 'bodi'; known: body, .* Did you mean body"):
        FeatureTap(Network(), "bodi")
    with pytest.raises(ValueError, match=r"unknown layer of the model ''"):
        FeatureTap(Network(), "")
    with pytest.raises(ValueError, match=r"^FeatureTap: at least one layer must be named"):
        FeatureTap(Network())
    with FeatureTap(model, "1"), pytest.raises(ValueError, match=r"layer 1 must return one tensor .*; got tuple"):
        model(torch.zeros(2, 3))
    with FeatureTap(model, "0") as tap, pytest.raises(ValueError, match=r"must return .*; got shape \(3,\)"):
        model[0](torch.zeros(3))
    with FeatureTap(Network(), "body", "head") as tap:
        with pytest.raises(ValueError, match=r"features are those of a single layer; 2 were named"):
            _ = tap.features
        with pytest.raises(ValueError, match=r"unknown tapped layer 'hed'; known: body, head. Did you mean head"):
            tap["hed"]
        with pytest.raises(ValueError, match=r"the layer head has returned nothing yet"):
            tap["head"]
