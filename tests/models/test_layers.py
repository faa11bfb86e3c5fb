"""PReLU and pooling that cost less: torch's own layers are the oracle, bit for bit."""

import copy

import pytest
import torch
from torch import nn

from sigma2r.models import build_model
from sigma2r.models.layers import MaxPool2x2, PReLU


def with_ties(*shape: int) -> torch.Tensor:
    """Pixels of which many are equal, zero, or of both signs of zero."""
    values = torch.randint(-2, 3, shape, generator=torch.Generator().manual_seed(0)).float()
    return torch.where(values == 0, torch.randn(shape, generator=torch.Generator().manual_seed(1)).sign() * 0, values)


def of_torch(model: nn.Module) -> nn.Module:
    """The same network of torch's own layers."""
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, PReLU):
                plain = nn.PReLU()
                plain.load_state_dict(layer.state_dict())
                setattr(parent, name, plain)
            elif isinstance(layer, MaxPool2x2):
                setattr(parent, name, nn.MaxPool2d(2))
    return model


def outcome(layer: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """The output and all gradients, for a gradient that is random."""
    images = images.clone(memory_format=torch.preserve_format).requires_grad_()
    out = layer(images)
    out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=out.dtype))
    return [out.detach(), images.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("shape", [(3, 2, 4, 6), (2, 3, 5, 7), (1, 1, 2, 2), (1, 1, 3, 300), (64, 6, 28, 28)])
@pytest.mark.parametrize("ties", [True, False])
def test_layers_give_the_bits_of_torch(shape, ties):
    images = with_ties(*shape) if ties else torch.randn(shape)
    for own, plain in ((MaxPool2x2(), nn.MaxPool2d(2)), (PReLU(), nn.PReLU())):
        for found, wanted in zip(outcome(own, images), outcome(plain, images), strict=True):
            assert torch.equal(found, wanted)
        with torch.no_grad():
            assert torch.equal(own(images), plain(images))


@pytest.mark.parametrize("slope", [0.0, -0.3, 1.5])
def test_any_slope_gives_the_bits_of_torch(slope):
    own, plain = PReLU(), nn.PReLU()
    for layer in (own, plain):
        nn.init.constant_(layer.weight, slope)
    images = torch.cat([torch.randn(50, 7), with_ties(50, 7)])
    for found, wanted in zip(outcome(own, images), outcome(plain, images), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    "images",
    [
        torch.randn(2, 3, 6, 6, dtype=torch.float64),
        torch.randn(2, 3, 6, 6).to(torch.bfloat16),
        torch.randn(2, 3, 6, 6).contiguous(memory_format=torch.channels_last),
        torch.randn(3, 6, 6),
        torch.randn(2, 3, 6, 12)[..., ::2],
        torch.randn(0, 3, 6, 6),
    ],
    ids=["double", "bfloat16", "channels last", "one image", "strided", "no image"],
)
def test_what_has_no_short_way_is_torchs(images):
    own, plain = (
        nn.Sequential(a, b).to(images.dtype) for a, b in ((PReLU(), MaxPool2x2()), (nn.PReLU(), nn.MaxPool2d(2)))
    )
    for found, wanted in zip(outcome(own, images), outcome(plain, images), strict=True):
        assert torch.equal(found, wanted)
        assert found.stride() == wanted.stride()


def test_a_network_trains_to_the_bits_of_torchs_layers():
    torch.manual_seed(0)
    own = build_model("lenet", in_channels=1, image_size=28, num_classes=10)
    plain = of_torch(own)
    assert {type(layer) for layer in plain.modules()}.isdisjoint({PReLU, MaxPool2x2})
    images, labels = with_ties(32, 1, 28, 28), torch.arange(32) % 10
    for model in (own, plain):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images)[1], labels).backward()
            optimizer.step()
    assert own.state_dict().keys() == plain.state_dict().keys()
    for found, wanted in zip(own.parameters(), plain.parameters(), strict=True):
        assert torch.equal(found, wanted)


def test_second_derivatives_are_torchs():
    images = torch.randn(4, 2, 6, 6)

    def second(prelu, pool):
        pixels = images.clone().requires_grad_()
        (first,) = torch.autograd.grad(pool(prelu(pixels)).square().sum(), pixels, create_graph=True)
        return torch.autograd.grad(first.square().sum(), [pixels, prelu.weight])

    for found, wanted in zip(second(PReLU(), MaxPool2x2()), second(nn.PReLU(), nn.MaxPool2d(2)), strict=True):
        assert found.abs().sum() > 0
        torch.testing.assert_close(found, wanted)


def test_transformed_and_exported_code_has_torchs_layers():
    model = build_model("lenet", in_channels=1, image_size=28, num_classes=10)
    images = torch.randn(3, 1, 28, 28)
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}

    def loss_of_one(weights, image):
        return torch.func.functional_call(model, weights, (image.unsqueeze(0),))[1].square().sum()

    each = torch.func.vmap(torch.func.grad(loss_of_one), in_dims=(None, 0))(weights, images)
    summed = torch.autograd.grad(model(images)[1].square().sum(), list(model.parameters()))
    for found, wanted in zip(each.values(), summed, strict=True):
        torch.testing.assert_close(found.sum(0), wanted, rtol=1e-4, atol=1e-4)
    exported = torch.export.export(model, (images.requires_grad_(),)).module()
    assert torch.equal(exported(images)[1], model(images)[1])
