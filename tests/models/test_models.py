"""The paper's two networks."""

import pytest
import torch
from torch.testing import assert_close
from torchvision.models import resnet18

from sigma2r.models import build_model


def build(name, **changed):
    return build_model(name, **{"in_channels": 1, "image_size": 28, "num_classes": 10, **changed})


def test_lenet_has_the_parameters_of_its_layers():
    conv = (25 * 1 + 1) * 6 + (25 * 6 + 1) * 16
    linear = (16 * 5 * 5 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 10
    prelu = 4
    assert sum(p.numel() for p in build("lenet").parameters()) == conv + linear + prelu


def test_features_of_lenet_are_what_the_last_prelu_receives():
    model = build("lenet")
    features, logits = model(torch.randn(6, 1, 28, 28))
    assert features.shape == (6, 84)
    assert (features < 0).any()
    prelu, linear = model.head
    assert_close(logits, linear(torch.where(features > 0, features, prelu.weight * features)))


def test_pooled_features_of_resnet18_are_torchvisions():
    model, plain = build("resnet18", in_channels=3).eval(), resnet18(weights=None).eval()
    plain.fc = torch.nn.Identity()
    plain.load_state_dict(model.body.state_dict())
    images = torch.randn(2, 3, 32, 32)
    features, logits = model(images)
    assert features.shape == (2, 512)
    assert_close(features, plain(images))
    assert_close(logits, model.head(features))


@pytest.mark.parametrize("name", ["lenet", "resnet18"])
@pytest.mark.parametrize(("channels", "size", "feature_dim"), [(1, 28, None), (3, 32, 2), (3, 64, 7), (2, 16, 5)])
def test_models_take_any_channels_size_and_dimension_and_learn_everywhere(name, channels, size, feature_dim):
    model = build(name, in_channels=channels, image_size=size, num_classes=4, feature_dim=feature_dim)
    features, logits = model(torch.randn(3, channels, size, size))
    assert features.shape == (3, model.feature_dim)
    assert model.feature_dim == (feature_dim or {"lenet": 84, "resnet18": 512}[name])
    assert logits.shape == (3, 4)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_the_seed_decides_the_weights():
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build("lenet").parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.message
@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("lenet5", {}, r"unknown model 'lenet5'; known: lenet, resnet18, timm:NAME. Did you mean lenet\?"),
        ("lenet", {"feature_dim": 0}, r"build_model: feature_dim must be a whole number of at least 1; got 0"),
        ("lenet", {"num_classes": 0}, r"build_model: num_classes must be"),
        ("resnet18", {"image_size": 8}, r"resnet18 wants images of at least 16 pixels a side; got 8"),
    ],
)
def test_what_no_model_can_be_built_from_is_refused(name, changed, message):
    with pytest.raises(ValueError, match=message):
        build(name, **changed)


def test_our_models_have_channels_last():
    for name in ("lenet", "resnet18"):
        model = build_model(name, in_channels=3, image_size=32, num_classes=2)
        (first, *_) = [weight for weight in model.parameters() if weight.ndim == 4]
        assert first.is_contiguous(memory_format=torch.channels_last)
