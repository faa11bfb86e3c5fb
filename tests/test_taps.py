"""Features of named layers of a model that is left as it is."""

import copy
import gc
import io
import math
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
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


def num_hooks(model):
    return sum(len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in model.modules())


def test_a_removed_tap_leaves_no_trace():
    model = Network()
    keys = list(model.state_dict())
    tap = FeatureTap(model, "body", "head")
    assert list(model.state_dict()) == keys
    assert num_hooks(model) == 4  # two of the model's own
    tap.remove()
    tap.remove()
    assert num_hooks(model) == 0
    model(IMAGES)
    assert not tap._seen


def loaded(model):
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


def shallow(model):
    twin = copy.copy(model)  # shares the very tables of hooks
    twin._modules = {name: copy.copy(layer) for name, layer in model._modules.items()}
    return twin


copies = pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        loaded,
        lambda m: AveragedModel(m).module,
        shallow,
    ],
    ids=["deep copy", "pickle", "file", "AveragedModel", "shallow copy"],
)


@copies
@pytest.mark.parametrize("pool", [False, True])
def test_only_the_tapped_model_writes_whoever_is_called_last(copied, pool):
    model = Network()
    with FeatureTap(model, "body", pool=pool) as tap:
        twin = copied(model)
        twin(IMAGES)
        with pytest.raises(
            ValueError,
            match=r"layer body has returned nothing yet, or not in the last pass\. Call the tapped model itself",
        ):
            _ = tap.features
        model(IMAGES)
        mine = tap.features
        with torch.no_grad():
            twin(IMAGES + 1)
        assert tap.features is mine
        assert mine.requires_grad
        late = copied(model)  # one that is made when there are features
        late(IMAGES + 1)
        assert tap.features is mine


@copies
def test_a_copy_keeps_no_live_hook_and_none_at_all_once_it_was_called(copied):
    model = Network()
    tap = FeatureTap(model, "body", "head")
    twin = copied(model)
    if copied is not shallow:
        twin(IMAGES)
        assert num_hooks(twin) == 0
    assert num_hooks(model) == 4
    tap.remove()
    twin(IMAGES)
    assert num_hooks(twin) == 0
    with FeatureTap(twin, "body") as other:
        twin(IMAGES)
        assert other.features.shape == (6, 36)


def test_other_hooks_of_a_copied_layer_stay(generator):
    model, heard = Network(), []
    model.body.register_forward_hook(lambda layer, inputs, output: heard.append("plain"))
    tap = FeatureTap(model, "body")
    model.body.register_forward_hook(lambda *call: heard.append("keywords"), with_kwargs=True, always_call=True)
    twin = copy.deepcopy(model)
    tap.remove()
    twin(IMAGES)
    twin(IMAGES)
    assert heard == ["plain", "keywords"] * 2
    assert len(twin.body._forward_hooks) == 2
    assert len(twin.body._forward_hooks_with_kwargs) == len(twin.body._forward_hooks_always_called) == 1


@pytest.mark.parametrize("teacher", [False, True], ids=["alone", "beside a teacher"])
def test_a_teacher_changes_nothing_of_the_training(teacher):
    torch.manual_seed(0)
    model, criterion = Network(), JointLoss(CenterLoss(5, 36), 0.5)
    optimizer = torch.optim.SGD([*model.parameters(), *criterion.parameters()], lr=0.1)
    with FeatureTap(model, "body") as tap:
        average = AveragedModel(model)
        for _ in range(5):
            logits = model(IMAGES)
            if teacher:
                with torch.no_grad():
                    average(IMAGES)
            optimizer.zero_grad()
            criterion(tap.features, logits, LABELS).backward()
            optimizer.step()
            average.update_parameters(model)
    torch.manual_seed(0)
    twin, twins = Network(), JointLoss(CenterLoss(5, 36), 0.5)
    optimizer = torch.optim.SGD([*twin.parameters(), *twins.parameters()], lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        twins(*twin.both(IMAGES), LABELS).backward()
        optimizer.step()
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))], ids=["deep", "pickle"]
)
def test_a_tap_that_is_copied_with_its_model_taps_the_copy(copied):
    class Tapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Network()
            self.tap = FeatureTap(self.net, "body")

        def forward(self, images):
            logits = self.net(images)
            return self.tap.features, logits

    globals()["Tapped"], Tapped.__qualname__ = Tapped, "Tapped"  # where pickle looks for it
    model = Tapped()
    features, _ = model(IMAGES)
    twin = copied(model)
    with pytest.raises(ValueError, match="has returned nothing yet"):
        _ = twin.tap.features
    with torch.no_grad():
        twin.net.body[0].bias.add_(1.0)
    theirs, _ = twin(IMAGES)
    assert torch.equal(theirs, twin.net.both(IMAGES)[0])
    assert not torch.equal(theirs, features)
    assert model.tap.features is features
    twin.tap.remove()
    assert num_hooks(model) == 3
    removed = copied(twin)
    removed.net(IMAGES)
    with pytest.raises(ValueError, match=r"^FeatureTap: the layer body is not tapped any more\. Set a new tap"):
        _ = removed.tap.features


def test_a_model_goes_with_its_last_holder_though_it_is_tapped():
    model = Network()
    tap = FeatureTap(model, "body")
    model(IMAGES)
    gone = weakref.ref(model.body)
    gc.disable()
    try:
        tap.clear()
        del model
        assert gone() is None
    finally:
        gc.enable()
    with pytest.raises(ValueError, match="has returned nothing yet"):
        _ = pickle.loads(pickle.dumps(tap)) and tap.features


def test_a_layer_that_the_last_pass_did_not_reach_gives_nothing_of_the_pass_before():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x, side):
            return getattr(self, side)(x)

    model = Branches()
    with FeatureTap(model, "left", "right") as tap:
        model(torch.randn(4, 3), side="left")
        assert tap["left"].shape == (4, 2)
        output = model(torch.randn(4, 3), side="right")
        assert torch.equal(tap["right"], output)
        with pytest.raises(ValueError, match="layer left has returned nothing yet, or not in the last pass"):
            tap["left"]
        model.right = nn.Linear(3, 2)  # another layer, which is not tapped
        model(torch.randn(4, 3), side="right")
        with pytest.raises(ValueError, match="layer right that was tapped is no longer in the model, where another"):
            tap["right"]
    assert sum(len(layer._forward_pre_hooks) for layer in model.modules()) == 0


def test_a_tap_inside_its_own_model_is_copied_with_it_and_one_inside_its_own_layer_counts_as_removed():
    model = Network()
    model.tap = FeatureTap(model, "body")
    twin = copy.deepcopy(model)
    twin.body(IMAGES)
    assert not twin.tap._seen
    twin = copy.deepcopy(model)
    twin(IMAGES)
    twin.body(IMAGES + 1)
    assert torch.equal(twin.tap.features, twin.both(IMAGES)[0])
    assert not model.tap._seen
    model.body.tap = model.tap
    with pytest.raises(ValueError, match="the layer body is not tapped any more"):
        _ = copy.deepcopy(model.body).tap.features


def checkpointed(model):
    from torch.utils.checkpoint import checkpoint

    images = IMAGES.clone().requires_grad_()
    checkpoint(model.body, images, use_reentrant=False).sum().backward()


outside = pytest.mark.parametrize(
    "call",
    [
        lambda model: model.body(IMAGES),
        lambda model: nn.Sequential(model.body, nn.Flatten())(IMAGES),
        lambda model: model.both(IMAGES),
        lambda model: model.forward(IMAGES),
        lambda model: copy.copy(model)(IMAGES),
        checkpointed,
    ],
    ids=["layer", "slice", "method", "forward", "shallow copy", "checkpoint"],
)


def fails(model):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        model(torch.zeros(6, 3, 9, 9))  # the head wants another size


def is_interrupted(model):
    def interrupt(*call):
        raise KeyboardInterrupt

    handle = model.head.register_forward_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        model(IMAGES + 2)
    handle.remove()
    model(IMAGES + 3)  # what an interrupt leaves behind ends with the next pass


def fails_before_it_begins(model):
    def refuse(*call):
        raise RuntimeError

    handle = model.register_forward_pre_hook(refuse, prepend=True)
    with pytest.raises(RuntimeError):
        model(IMAGES)
    handle.remove()


@outside
@pytest.mark.parametrize("before", [None, fails, is_interrupted, fails_before_it_begins])
@pytest.mark.parametrize("pool", [False, True])
def test_a_layer_that_is_called_outside_of_a_pass_of_the_model_writes_nothing(call, before, pool):
    model = Network()
    with FeatureTap(model, "body", pool=pool) as tap:
        if before is not None:
            before(model)
            tap.clear()
            call(model)
            assert not tap._seen
        model(IMAGES)
        mine = tap.features
        call(model)
        with torch.no_grad():
            call(model) if call is not checkpointed else None
        assert tap.features is mine
        model.zero_grad()
        (mine.sum() + 0 * model(IMAGES).sum()).backward()
        assert model.body[0].weight.grad.abs().max() > 0


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("reentrant", [False, True])
def test_a_layer_that_checkpointing_runs_anew_in_the_backward_pass_does_not_write_again(pool, reentrant):
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(Network):
        def forward(self, images):
            return self.head(checkpoint(self.body, images, use_reentrant=reentrant).flatten(1))

    model, images = Checkpointed(), IMAGES.clone().requires_grad_()
    with FeatureTap(model, "body", pool=pool) as tap:
        logits, mine = model(images), tap.features
        logits.sum().backward()
        assert tap.features is mine
        assert mine.requires_grad is not reentrant


def test_passes_within_a_pass_are_part_of_it():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(3, 2), nn.Linear(2, 3)

        def forward(self, x, depth=1):
            before = self.outer(self.inner(x))
            return self.outer(self(x, depth=0)[:, :2]) if depth else before

    model, rows = Twice(), torch.randn(4, 3)
    with FeatureTap(model, "inner", "outer") as tap:
        output = model(rows)
        assert torch.equal(tap["outer"], output)
        assert torch.equal(tap["inner"], model.inner(rows))
        model.inner(rows + 1)
        assert torch.equal(tap["inner"], model.inner(rows))


@pytest.mark.filterwarnings("ignore:.*jit")
def test_a_model_whose_tap_was_removed_can_be_scripted():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    FeatureTap(model, "0").remove()
    rows = torch.randn(2, 3)
    assert torch.equal(torch.jit.script(model)(rows), model(rows))


def test_a_functional_call_is_a_pass_of_the_model_itself():
    model = Network()
    weights = {name: 2 * value.detach() for name, value in model.named_parameters()}
    with FeatureTap(model, "body") as tap:
        torch.func.functional_call(model, weights, (IMAGES,))
        assert_close(tap.features, 2 * model.both(IMAGES)[0])


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["deep copy", "pickle"]
)
def test_what_fails_in_a_copy_of_a_tapped_model_is_told_as_it_is(copied):
    model = Network()
    with FeatureTap(model, "body"), FeatureTap(model, "head"):  # torch goes on to the next hook of the copy
        twin = copied(model)
        fails(twin)
        twin(IMAGES)
    assert num_hooks(twin) == 0


def test_a_pass_that_a_hook_of_others_refuses_leaves_nothing_of_the_pass_before():
    def refuse(model, inputs):
        if inputs[0].isnan().any():
            raise RuntimeError

    model = Network()
    model.register_forward_pre_hook(refuse)
    with FeatureTap(model, "body") as tap:
        model(IMAGES)
        with pytest.raises(RuntimeError):
            model(math.nan * IMAGES)
        assert not tap._seen
        model(IMAGES)
        assert tap.features.shape == (6, 36)


class Changed(nn.Module):
    """What comes behind a layer and writes into what it gave."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        self.change(x)
        return x


def add(x):
    x += 1.0


@pytest.mark.parametrize(
    "behind",
    [nn.ReLU(inplace=True), Changed(add), Changed(lambda x: x.data.clamp_(min=0)), Changed(lambda x: x[:, 0].zero_())],
    ids=["relu", "sum", "data", "part"],
)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_a_tap_keeps_what_the_layer_gave_also_if_it_is_written_into_afterwards(behind, mode):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), behind, nn.Flatten(), nn.Linear(36, 5))
    with mode(), FeatureTap(model, "0") as tap, FeatureTap(model, "0", pool=True) as pooled:
        model(IMAGES)
        given = model[0](IMAGES)
        assert_close(tap.features, given.flatten(1), rtol=0, atol=0)
        assert_close(pooled.features, given.mean((2, 3)))
        assert not torch.equal(pooled.features, model[1](given).mean((2, 3)))  # the change can be seen


def test_gradients_go_through_what_was_written_into_as_if_it_had_not_been():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 5))
    twin = copy.deepcopy(model)
    twin[1] = nn.ReLU()
    rows = torch.randn(6, 3)
    for each in (model, twin):
        with FeatureTap(each, "0") as tap:
            logits = each(rows)
            (tap.features.square().sum() + logits.square().sum()).backward()
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("pool", [False, True, "NCHW"])
def test_compiled_models_are_tapped_too_before_a_layer_behind_writes_and_not_after_the_tap_is_removed(pool):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(36, 5))
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with FeatureTap(model, "0", pool=pool) as tap:
        for _ in range(2):
            compiled(IMAGES)
        given = model[0](IMAGES)
        compiled(IMAGES)
        model[0](IMAGES + 1)
        assert_close(tap.features, given.mean((2, 3)) if pool else given.flatten(1))
        assert tap.features.requires_grad
    compiled(IMAGES)
    assert not tap._seen


@pytest.mark.usefixtures("fresh_compiler")
def test_a_tap_that_a_compiled_model_does_not_notice_says_what_to_do_and_that_helps():
    model = Network()
    compiled = torch.compile(model, backend="aot_eager")
    compiled(IMAGES)
    with FeatureTap(model, "body") as tap:
        compiled(IMAGES)
        with pytest.raises(
            ValueError, match=r"compiled and has run before the tap was set, call torch\.compiler\.reset"
        ):
            _ = tap.features
        torch.compiler.reset()
        compiled(IMAGES)
        assert torch.equal(tap.features, model.both(IMAGES)[0])


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
    for other in (3, None, ["body"], nn.ReLU()):
        with pytest.raises(ValueError, match=r"unknown layer of the model"):
            FeatureTap(Network(), other)
    with pytest.raises(ValueError, match=r"^FeatureTap: at least one layer must be named"):
        FeatureTap(Network())
    with FeatureTap(model, "1"), pytest.raises(ValueError, match=r"layer 1 must return one tensor .*; got tuple"):
        model(torch.zeros(2, 3))
    with FeatureTap(model, "0") as tap, pytest.raises(ValueError, match=r"must return .*; got shape \(3,\)"):
        model(torch.zeros(3))
    with FeatureTap(Network(), "body", "head") as tap:
        with pytest.raises(ValueError, match=r"features are those of a single layer; 2 were named"):
            _ = tap.features
        with pytest.raises(ValueError, match=r"unknown tapped layer 'hed'; known: body, head. Did you mean head"):
            tap["hed"]
        with pytest.raises(ValueError, match=r"the layer head has returned nothing yet"):
            tap["head"]
        tap.remove()
        with pytest.raises(ValueError, match=r"the layer head is not tapped any more\. Set a new tap on the model"):
            tap["head"]


@pytest.mark.message
def test_features_of_a_pass_without_gradients_are_refused_by_the_joint_loss_whatever_the_cause():
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(Network):
        reentrant = True

        def both(self, images):
            features = checkpoint(self.body, images, use_reentrant=self.reentrant).flatten(1)
            return features, self.head(features)

    model, criterion = Checkpointed(), JointLoss(CenterLoss(5, 36), 0.1)
    images = IMAGES.clone().requires_grad_()
    with FeatureTap(model, "body") as tap:
        logits = model(images)
        with pytest.raises(ValueError, match="in training features must carry the graph"):
            criterion(tap.features, logits, LABELS)
        logits.sum().backward()  # runs the layer anew
        assert not tap.features.requires_grad
        model.reentrant = False
        logits = model(IMAGES)
        with torch.no_grad():
            model(IMAGES)
        with pytest.raises(ValueError, match="in training features must carry the graph"):
            criterion(tap.features, logits, LABELS)
        model.zero_grad()
        logits = model(images)
        criterion(tap.features, logits, LABELS).backward()
        assert model.body[0].weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    "harm",
    [
        lambda model: model.__setitem__(1, nn.Tanh()),
        lambda model: model.__delitem__(1),
        lambda model: model.__setitem__(1, nn.Sequential(nn.Tanh())),
    ],
    ids=["another", "gone", "one with parts"],
)
def test_a_layer_that_was_replaced_after_the_tap_is_named_as_such(harm):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4))
    kept = model[1]
    with FeatureTap(model, "1") as tap:
        harm(model)
        model(torch.zeros(2, 3))
        with pytest.raises(
            ValueError, match=r"^FeatureTap: the layer 1 that was tapped is no longer in the model, .*\."
        ):
            tap["1"]
        model.insert(1, nn.Sequential(kept))  # it is there again, though elsewhere
        model(torch.zeros(2, 3))
        assert tap.features.shape == (2, 4)
        tap.clear()
        with pytest.raises(ValueError, match="Call the tapped model itself first"):
            tap["1"]
