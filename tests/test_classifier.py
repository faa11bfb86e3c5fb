"""The pooled features of a model: what its classifier is given, found without a name."""

import copy
import pickle

import pytest
import torch
import torch.distributed as dist
import torchvision
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from sigma2r import CenterLoss, FeatureTap, JointLoss

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Network(nn.Module):
    """What it returns, and how, is for tests to choose."""

    def __init__(self, returns=lambda logits: logits) -> None:
        super().__init__()
        self.aside = nn.Linear(2, 2)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(6, 5)
        self.returns = returns

    def forward(self, images):
        return self.returns(self.head(self.body(images)))


def in_training(logits):
    return {"aux": logits.exp(), "out": (logits, logits.detach().clone())}


@pytest.mark.parametrize("returns", [lambda x: x, lambda x: (x, 1), in_training, lambda x: x.view(2, 2, 5),
                                     lambda x: [None, x]],
                         ids=["tensor", "tuple", "mapping", "view", "list"])  # fmt: skip
def test_the_last_linear_layer_is_found_and_confirmed_by_what_the_model_returns(returns):
    model = Network(returns)
    with FeatureTap.before_classifier(model) as tap:
        model(IMAGES)
        assert tap.names == ("head",)
        assert torch.equal(tap.features, model.body(IMAGES))
        assert tap.features.requires_grad


@pytest.mark.parametrize("returns", [lambda x: x.softmax(1), lambda x: {"out": x + 0}, lambda x: None])
def test_a_guess_that_is_not_what_the_model_returns_is_refused_until_it_is_named(returns):
    model = Network(returns)
    with FeatureTap.before_classifier(model) as tap:
        with pytest.raises(ValueError, match=r"^FeatureTap: the classifier must give what the model returns; the last "
                           r"linear layer or convolution, head, was taken for it and does not\. Name"):  # fmt: skip
            model(IMAGES)
        with pytest.raises(ValueError, match="has returned nothing yet"):
            _ = tap.features
    with FeatureTap.before_classifier(model, "head") as named:
        model(IMAGES)
        assert torch.equal(named.features, model.body(IMAGES))


def test_a_layer_that_is_registered_last_and_not_called_is_refused():
    model = Network()
    model.never = nn.Linear(1, 1)
    with FeatureTap.before_classifier(model) as tap:
        model(IMAGES)
        with pytest.raises(ValueError, match="layer never has returned nothing yet, or not in the last pass"):
            _ = tap.features


def test_it_is_confirmed_once_and_then_left_alone():
    told = []
    model = Network(lambda logits: told.append(logits) or (logits if len(told) == 1 else logits.exp()))
    with FeatureTap.before_classifier(model) as tap:
        for _ in range(3):
            model(IMAGES)
        assert tap.features.shape == (4, 6)


def test_a_pass_that_broke_off_confirms_nothing_and_tells_nothing():
    def breaks(logits):
        raise RuntimeError("out of memory")

    model = Network(breaks)
    with FeatureTap.before_classifier(model) as tap:
        with pytest.raises(RuntimeError, match=r"^out of memory$"):
            model(IMAGES)
        model.returns = lambda logits: logits
        model(IMAGES)
        assert tap.features.shape == (4, 6)


def test_a_copy_and_a_pickle_together_with_their_model_are_heard():
    network = Network(torch.sigmoid_)  # in place
    pair = nn.Module()
    pair.network, pair.tap = network, FeatureTap.before_classifier(network)
    for other in (copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        other.network(IMAGES + 1)
        assert_close(other.tap.features, network.body(IMAGES + 1))
        with pytest.raises(ValueError, match="has returned nothing yet"):
            _ = pair.tap.features
    network(IMAGES)
    assert torch.equal(pair.tap.features, network.body(IMAGES))


def test_a_removed_tap_leaves_no_trace():
    model = Network()
    tap = FeatureTap.before_classifier(model)
    tap.remove()
    assert sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()) == 0


class Tells(Network):
    """As timm's models, it says what its classifier is; the last linear layer is another."""

    def __init__(self, told=lambda model: model.head) -> None:
        super().__init__(lambda logits: logits.softmax(1))
        self.other, self.told = nn.Linear(1, 1), told

    def get_classifier(self):
        return self.told(self)


class Parts(nn.Module):
    """Classifiers of which each sees a part of the features, twice: the first heads, and those of a distillation."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(2, 5), nn.Linear(4, 5)])
        self.distilled = nn.ModuleList([nn.Linear(2, 5), nn.Linear(4, 5)])

    def get_classifier(self):
        return self.heads, self.distilled

    def forward(self, rows):
        first, second = rows[:, :2], rows[:, 2:]
        return (
            self.heads[0](first) + self.heads[1](second) + self.distilled[0](3 * first) + self.distilled[1](3 * second)
        )


def test_a_model_that_says_what_its_classifier_is_is_believed():
    model = Tells()
    for wrapped in (model, nn.Sequential(model), nn.Sequential(nn.Identity(), nn.Sequential(model))):
        with FeatureTap.before_classifier(wrapped) as tap:
            wrapped(IMAGES)
            assert torch.equal(tap.features, model.body(IMAGES))


def test_of_several_classifiers_features_are_the_mean_and_of_parts_side_by_side():
    model, rows = Parts(), torch.randn(4, 6)
    with FeatureTap.before_classifier(model) as tap:
        model(rows)
        assert tap.names == ("heads.0", "heads.1", "distilled.0", "distilled.1")
        assert_close(tap.features, 2 * rows)  # of once and three times
        assert tap.seen_by_losses is not None
        assert tap["heads.1"].shape == (4, 4)
    with FeatureTap.before_classifier(model, "heads.0", "heads.1") as apart:
        model(rows)
        with pytest.raises(ValueError, match="features are those of a single layer; 2 were named"):
            _ = apart.features


@pytest.mark.parametrize(
    ("layer", "given", "expected"),
    [
        (nn.Linear(6, 5), (4, 7, 6), lambda x: x.mean(1)),
        (nn.Linear(6, 5), (4, 2, 3, 6), lambda x: x.mean((1, 2))),
        (nn.Conv2d(6, 5, 1), (4, 6, 2, 3), lambda x: x.mean((2, 3))),
        (nn.Conv1d(6, 5, 1), (4, 6, 6), lambda x: x.mean(2)),
        (nn.Sequential(nn.Flatten(), nn.Linear(6, 5)), (4, 6, 1, 1), lambda x: x.flatten(1)),
        (nn.Sequential(nn.Flatten(), nn.Linear(24, 5)), (4, 6, 2, 2), lambda x: x.flatten(1)),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(6), nn.Linear(6, 5)), (4, 6, 2, 3),
         lambda x: x.mean((2, 3))),
        (nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 5)), (4, 6), lambda x: x),
    ],
    ids=["tokens", "channels last", "convolution", "convolution over a line", "one place", "all places", "pools itself",
         "rows"],
)  # fmt: skip
def test_places_that_are_left_are_averaged_and_never_features(layer, given, expected):
    model = nn.Sequential(nn.Identity(), layer)
    x = torch.randn(given)
    with FeatureTap.before_classifier(model, "1") as tap:
        model(x)
        assert_close(tap.features, expected(x))


def test_what_is_given_is_kept_where_something_writes_into_it_later():
    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, rows):
            logits = self.head(rows)
            rows.zero_()
            return logits

    model, rows = Writes(), torch.randn(4, 3)
    expected = rows.clone()
    with torch.no_grad(), FeatureTap.before_classifier(model) as tap:
        model(rows)
        assert torch.equal(tap.features, expected)


@pytest.mark.parametrize("name", ["convnext_tiny", "resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "swin_t"])
def test_models_of_torchvision_are_found(name):
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, num_classes=5).eval()
    with torch.no_grad(), FeatureTap.before_classifier(model) as tap:
        logits = model(torch.randn(2, 3, 32, 32))
        layer = model.get_submodule(tap.names[0])
        assert isinstance(layer, nn.Linear)
        assert torch.equal(layer(tap.features), logits)


def test_training_through_it_is_training_on_returned_features_bit_for_bit():
    model = Network()
    criterion, labels = JointLoss(CenterLoss(5, 6), 0.3), torch.arange(4)
    twin, twin_criterion = copy.deepcopy(model), copy.deepcopy(criterion)
    with FeatureTap.before_classifier(model) as tap:
        logits = model(IMAGES)
        criterion(tap.seen_by_losses, logits, labels).backward()
    features = twin.body(IMAGES)
    twin_criterion(features, twin.head(features), labels).backward()
    for a, b in zip(
        [*model.body.parameters(), *criterion.parameters()],
        [*twin.body.parameters(), *twin_criterion.parameters()],
        strict=True,
    ):
        assert a.grad.abs().max() > 0
        assert torch.equal(a.grad, b.grad)


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # the compiler's, which it hides where it may
def test_a_model_within_a_compiler_is_tapped_itself():
    model = Network()
    compiled = torch.compile(model, backend="eager")
    tap = FeatureTap.before_classifier(compiled)
    for images in (IMAGES, IMAGES + 1):
        for called in (compiled, model):
            called(images)
            assert_close(tap.features, model.body(images))
    assert tap.names == ("_orig_mod.head",)


def test_a_model_in_ddp_is_tapped_though_that_returns_copies(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        model = Network()
        wrapped = DistributedDataParallel(model, find_unused_parameters=True)
        tap = FeatureTap.before_classifier(wrapped)
        wrapped(IMAGES)
        assert_close(tap.features, model.body(IMAGES))
    finally:
        dist.destroy_process_group()


@pytest.mark.usefixtures("fresh_compiler")
def test_it_hears_a_compiled_model():
    model = Network()
    with FeatureTap.before_classifier(model) as tap:
        torch.compile(model, backend="eager")(IMAGES)
        assert_close(tap.features, model.body(IMAGES))


@pytest.mark.message
def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match=r"^unknown layer of the model 'haed'; known: .*Did you mean head\?$"):
        FeatureTap.before_classifier(Network(), "haed")
    with pytest.raises(ValueError, match=r"^FeatureTap: the classifier must be a linear layer or a convolution of the "
                       r'model; Sequential has none\. Name the layer: FeatureTap\.before_classifier'):  # fmt: skip
        FeatureTap.before_classifier(nn.Sequential(nn.ReLU()))
    for told in (lambda model: None, lambda model: nn.Linear(6, 5), lambda model: (), lambda model: model):
        with pytest.raises(
            ValueError, match=r"^FeatureTap: get_classifier\(\) must give a layer of the model; that of Tells gave "
        ):
            FeatureTap.before_classifier(Tells(told))
    model = nn.Sequential(nn.Flatten(0), nn.Linear(4 * 3 * 64, 5))
    with (
        FeatureTap.before_classifier(model),
        pytest.raises(
            ValueError,
            match=r"^FeatureTap: the classifier 1 must be given one tensor of shape \(N, .*; got shape \(768,\)\.",
        ),
    ):
        model(IMAGES)
