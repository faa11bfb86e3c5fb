"""Network and losses as one module, groups in an optimizer of others, and the epoch told behind wrappers."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from sigma2r import (
    BalancedBatchSampler,
    CenterLoss,
    FeatureTap,
    JointLoss,
    SigmaSquaredRLoss,
    TripletCenterLoss,
    WarmUp,
)
from sigma2r.adapters import WithLoss, own_groups, set_epoch
from tests.adapters import plain

IMAGES, LABELS = plain.IMAGES, plain.LABELS


class Both(plain.Network):
    def forward(self, images):
        features = self.body(images)
        return features, self.head(features)


def last(states):
    *_, state = states
    return state


def test_labels_give_the_loss_beside_logits_and_without_them_there_are_logits_alone():
    model = plain.model()
    output = model(IMAGES, labels=LABELS)
    assert list(output) == ["loss", "logits"]
    features = model.network.body(IMAGES)
    logits = model.network.head(features)
    assert torch.equal(output["logits"], logits)
    assert torch.equal(output["loss"], model.criterion(features, logits, LABELS))
    assert torch.equal(model(IMAGES), logits)
    assert torch.equal(model(images=IMAGES, labels=LABELS)["loss"], output["loss"])
    assert model.accepts_loss_kwargs is False  # what transformers asks before it divides gradients that it adds up


def test_the_loss_of_a_pass_comes_from_its_logits_too():
    model = plain.model()
    expected = model(IMAGES, labels=LABELS)["loss"]
    assert torch.equal(model.loss(model(IMAGES), LABELS), expected)
    assert torch.equal(model.loss(model(IMAGES)[:], LABELS), expected)  # a view of them
    assert_close(model.loss(model(IMAGES).double(), LABELS), expected.double())  # in another precision


def test_a_network_that_returns_features_needs_no_tap():
    torch.manual_seed(0)
    network = Both()
    model = WithLoss(network, JointLoss(CenterLoss(3, plain.DIM), 0.5))
    assert_close(model(IMAGES, labels=LABELS)["loss"], model.criterion(*network(IMAGES), LABELS))
    assert torch.equal(model(IMAGES), network(IMAGES)[1])


def test_each_loss_sees_its_own_layer_of_a_tap():
    network = plain.Network()
    criterion = JointLoss([CenterLoss(3, 6), CenterLoss(3, plain.DIM)], [0.5, 0.2])
    model = WithLoss(network, criterion, FeatureTap(network, "body.1", "body"))
    hidden = network.body[:2](IMAGES)
    logits = network(IMAGES)
    assert_close(model(IMAGES, labels=LABELS)["loss"], criterion([hidden, network.body(IMAGES)], logits, LABELS))


@pytest.mark.parametrize("through", ["labels", "loss"])
def test_network_centers_and_growth_move_as_in_a_plain_loop(through):
    model, order = plain.model(), plain.sampler()
    optimizer = torch.optim.AdamW(model.param_groups(lr=plain.LR, loss_lr=plain.LOSS_LR, weight_decay=plain.DECAY))
    for epoch in range(3):
        set_epoch(epoch, model, order)
        for images, labels in plain.batches(order):
            optimizer.zero_grad()
            value = model(images, labels=labels)["loss"] if through == "labels" else model.loss(model(images), labels)
            value.backward()
            optimizer.step()
    plain.assert_same(plain.state(model), last(plain.plain_loop(3)))


def test_groups_are_the_networks_and_one_for_each_thing_that_is_learned():
    model = plain.model()
    groups = model.param_groups(lr=0.01, loss_lr=0.2, weight_decay=0.3)
    told = [(group["name"], group["lr"], group["weight_decay"], len(group["params"])) for group in groups]
    assert told == [
        ("network", 0.01, 0.3, 5),
        ("centers", 0.2, 0.0, 1),
        ("growth", 0.2, 0.0, 1),
        ("centers-2", 0.2, 0.0, 1),
    ]
    named = torch.optim.SGD(model.param_groups(lr=0.01, loss_lr=0.2, named=True))
    assert named.param_groups[0]["param_names"][0] == "body.0.weight"
    model.network.requires_grad_(False)
    assert [group["name"] for group in model.param_groups(lr=0.01, loss_lr=0.2)] == ["centers", "growth", "centers-2"]
    other = WithLoss(Both(), _Own())
    assert [group["weight_decay"] for group in other.param_groups(lr=0.1, loss_lr=1.0, weight_decay=0.5)] == [0.5, 0.0]


class _Own(nn.Module):
    """A criterion of one's own without groups."""

    def __init__(self):
        super().__init__()
        self.turn = nn.Linear(3, 3, bias=False)

    def forward(self, features, logits, labels):
        return nn.functional.cross_entropy(self.turn(logits), labels)


def test_a_copy_and_a_pickle_begin_anew_and_hear_themselves():
    model = plain.model()
    logits = model(IMAGES)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            other.network.head.weight.mul_(2)
        assert_close(other(IMAGES), 2 * logits)
        assert torch.isfinite(other.loss(other(IMAGES), LABELS))
        with pytest.raises(ValueError, match="loss must be called once with what the model returned last"):
            copy.deepcopy(other).loss(other(IMAGES), LABELS)
    assert torch.isfinite(model.loss(logits, LABELS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(IMAGES, labels=LABELS)["loss"].backward()  # while it is being looked at
        torch.save(model, io.BytesIO())
    assert list(model.state_dict()) == [
        *(f"network.{name}" for name in model.network.state_dict()),
        *(f"criterion.{name}" for name in model.criterion.state_dict()),
    ]


@pytest.mark.message
def test_wrong_use_is_one_sentence():
    network, criterion = plain.Network(), JointLoss(CenterLoss(3, plain.DIM), 0.1)
    tap = FeatureTap.before_classifier(network)
    for arguments, told in [
        (
            (network, CenterLoss(3, 4)),
            r"criterion must be called with features, logits and labels; got a CenterLoss.*JointLoss\(loss",
        ),
        ((network.forward, criterion), r"network must be an nn\.Module; got a method"),
        ((network, criterion, "head"), r"tap must be a FeatureTap, such as .*before_classifier\(network\); got 'head'"),
    ]:
        with pytest.raises(ValueError, match=rf"^WithLoss: {told}"):
            WithLoss(*arguments)
    with pytest.raises(ValueError, match=r"^WithLoss: without a tap the network must return \(features, logits\); got "
                       r"a torch\.Tensor of shape \(60, 3\).*Give tap=FeatureTap\.before_classifier"):  # fmt: skip
        WithLoss(network, criterion)(IMAGES, labels=LABELS)
    both = Both()
    with pytest.raises(ValueError, match=r"^WithLoss: with a tap the network must return logits, in a tensor or as"):
        WithLoss(both, criterion, FeatureTap(both, "body"))(IMAGES, labels=LABELS)
    model = WithLoss(network, criterion, tap)
    with pytest.raises(ValueError, match=r"^WithLoss: the network must be given something; got labels alone\."):
        model(labels=LABELS)
    first, _ = model(IMAGES), model(IMAGES)
    with pytest.raises(ValueError, match=r"^WithLoss: loss must be called once with what the model returned last"):
        model.loss(first, LABELS)
    logits = model(IMAGES)
    model.loss(logits, LABELS)
    with pytest.raises(ValueError, match="called once"):
        model.loss(logits, LABELS)
    logits = model(IMAGES)
    model(IMAGES, labels=LABELS)  # the last pass, whose loss has been taken; that before is let go, with its graph
    with pytest.raises(ValueError, match="called once"):
        model.loss(logits, LABELS)
    for name in ("lr", "loss_lr", "weight_decay"):
        with pytest.raises(ValueError, match=rf"^WithLoss: {name} must be a finite number of at least 0; got -1\."):
            model.param_groups(**{"lr": 0.1, "loss_lr": 0.1, name: -1.0})


def told_in(model, optimizer, steps=12, *, every=1, scale=1.0):
    """Warnings of a training in which the optimizer steps after so many backward passes."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for step in range(steps):
            (scale * model(IMAGES, labels=LABELS)["loss"]).backward()
            if (step + 1) % every == 0:
                optimizer.step()
                optimizer.zero_grad()
    return [str(each.message) for each in told]


NETWORK_ALONE = (
    r"^WithLoss: auxiliaries.0.centers, auxiliaries.0.growth and auxiliaries.1.centers got gradients in 5 steps"
)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_centers_that_no_optimizer_holds_are_told_once(kind):
    model = plain.model()
    (told,) = told_in(model, kind(model.network.parameters(), lr=0.01), steps=20)
    assert told.startswith(
        "WithLoss: auxiliaries.0.centers, auxiliaries.0.growth and auxiliaries.1.centers got gradients in 5 "
    )
    assert told.endswith("or call own_groups(optimizer, model.criterion, lr=...).")
    assert all(not parameter._backward_hooks for parameter in model.criterion.parameters())


def test_it_is_told_by_the_sixth_step_and_no_sooner():
    model = plain.model()
    assert told_in(model, torch.optim.SGD(model.network.parameters(), lr=0.01), steps=5) == []
    model = plain.model()
    assert len(told_in(model, torch.optim.SGD(model.network.parameters(), lr=0.01), steps=6)) == 1


def test_one_of_several_that_rests_is_told_alone():
    model = plain.model()
    moving = [p for name, p in model.named_parameters() if not name.endswith("growth")]
    (told,) = told_in(model, torch.optim.SGD(moving, lr=0.01))
    assert told.startswith("WithLoss: auxiliaries.0.growth got gradients")


@pytest.mark.parametrize("fused", [False, True])
def test_what_moves_is_not_told_and_is_not_looked_at_any_more(fused):
    model = plain.model()
    assert told_in(model, torch.optim.Adam(model.param_groups(lr=0.01, loss_lr=0.1), fused=fused)) == []
    assert model._moves._learned == {}
    assert all(not parameter._backward_hooks for parameter in model.criterion.parameters())


def test_gradients_that_are_added_up_are_no_steps_and_a_network_that_rests_makes_none():
    model = plain.model()
    assert told_in(model, torch.optim.SGD(model.param_groups(lr=0.01, loss_lr=0.1)), steps=9, every=9) == []
    model = plain.model()
    assert told_in(model, torch.optim.SGD(model.network.parameters(), lr=0.0), steps=20) == []  # as in a warm-up
    model = plain.model()
    model.network.requires_grad_(False)
    model.criterion.frozen_features = True
    assert told_in(model, torch.optim.SGD(model.criterion.parameters(), lr=0.0), steps=20) == []


def test_steps_are_counted_and_not_the_passes_between_them():
    model = plain.model()
    assert told_in(model, torch.optim.SGD(model.network.parameters(), lr=0.01), steps=20, every=4) == []
    model = plain.model()
    assert len(told_in(model, torch.optim.SGD(model.network.parameters(), lr=0.01), steps=21, every=4)) == 1


def test_gradients_of_long_ago_do_not_count():
    network = plain.Network()
    criterion = JointLoss(CenterLoss(3, plain.DIM), lambda epoch: 0.1 if epoch == 0 else 0.0)
    model = WithLoss(network, criterion, FeatureTap.before_classifier(network))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    assert told_in(model, optimizer, steps=3) == []
    model.set_epoch(1)
    assert told_in(model, optimizer, steps=12) == []
    model.set_epoch(0)
    assert len(told_in(model, optimizer, steps=4)) == 1


def test_centers_without_a_gradient_are_not_told():
    """Hinges that are all closed, a weight of 0, centers that are averaged or held."""
    network = plain.Network()
    criterions = [
        JointLoss(CenterLoss(3, plain.DIM), 0.0),
        JointLoss(CenterLoss(3, plain.DIM, center_update="average"), 0.1),
        JointLoss(SigmaSquaredRLoss(3, plain.DIM).requires_grad_(False), 0.1),
    ]
    for criterion in criterions:
        model = WithLoss(network, criterion, FeatureTap.before_classifier(network))
        assert told_in(model, torch.optim.SGD(network.parameters(), lr=1e-4)) == []
    closed = JointLoss(TripletCenterLoss(3, plain.DIM, margin=0.0), 0.1)
    with torch.no_grad():
        centers = torch.stack([network.body(IMAGES)[k == LABELS].mean(0) for k in range(3)])
        closed.auxiliary.centers.copy_(centers)
        rows = (network.body(IMAGES).unsqueeze(1) - centers).norm(dim=2).argmin(1) == LABELS
    model = WithLoss(network, closed, FeatureTap.before_classifier(network))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(12):
            optimizer.zero_grad()
            model(IMAGES[rows], labels=LABELS[rows])["loss"].backward()
            assert closed.auxiliary.centers.grad is None or not closed.auxiliary.centers.grad.any()
            optimizer.step()


def large(sparse=False):
    """A network with a table of centers of which not all are compared."""
    network = plain.Network()
    network.head = nn.Linear(plain.DIM, 20_000)
    criterion = JointLoss(CenterLoss(20_000, plain.DIM, sparse_grad=sparse), 0.1)
    return WithLoss(network, criterion, FeatureTap.before_classifier(network))


def told_of_other_classes(model, steps, *, skipped=0, num_steps=12):
    """Warnings of a training in which no class comes twice; a scaler skips the first steps, or rates start at 0."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for step in range(num_steps):
            model(IMAGES, labels=15_000 + step * plain.SIZE + torch.arange(plain.SIZE))["loss"].backward()
            for each in steps:
                if step >= skipped:
                    each.step()
                each.zero_grad()
    return [str(each.message) for each in told]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("skipped", [0, 1, 4])
def test_of_a_large_table_the_rows_of_each_batch_are_compared(sparse, skipped):
    model = large(sparse)
    network = torch.optim.SGD(model.network.parameters(), lr=0.01)
    own = torch.optim.SGD(model.criterion.parameters(), lr=0.1)
    assert told_of_other_classes(model, [network, own], skipped=skipped) == []
    assert model._moves._learned == {}
    model = large(sparse)
    network = torch.optim.SGD(model.network.parameters(), lr=0.01)
    assert told_of_other_classes(model, [network], skipped=skipped, num_steps=skipped + 5) == []
    assert model._moves._learned["auxiliaries.0.centers"].seen.shape == (plain.SIZE, plain.DIM)
    assert len(told_of_other_classes(model, [network], num_steps=1)) == 1


@pytest.mark.parametrize("sparse", [False, True])
def test_without_class_indices_a_gradient_elsewhere_in_a_large_table_does_not_count(sparse):
    """Rows beyond those that are compared learn, and only there are gradients."""
    model = large(sparse)
    first, moves = torch.optim.SGD(model.network.parameters(), lr=0.01), model._moves
    labels = 19_000 + LABELS
    for _ in range(12):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            moves.look(model.network, model.criterion, None)
        features = model.network.body(IMAGES)
        model.criterion(features, model.network.head(features), labels).backward()
        first.step()
        first.zero_grad()


def test_gradients_that_were_let_go_are_no_chance_of_the_next_step():
    """A scaler that skips every second step: centers never have what the steps that are made have."""
    network = plain.Network()
    criterion = JointLoss(CenterLoss(3, plain.DIM), lambda epoch: 0.1 * (epoch % 2 == 0))
    model = WithLoss(network, criterion, FeatureTap.before_classifier(network))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(24):
            model.set_epoch(step)
            optimizer.zero_grad()
            model(IMAGES, labels=LABELS)["loss"].backward()
            if step % 2 == 1:
                optimizer.step()


@pytest.mark.message
def test_checkpointing_of_activations_is_the_networks_own():
    model, told = plain.model(), []
    with pytest.raises(ValueError, match=r"^WithLoss: checkpointing of activations .* Network has no activation_check"):
        model.activation_checkpointing_enable()
    model.network.activation_checkpointing_enable = lambda **keywords: told.append(keywords)
    model.activation_checkpointing_enable(every_n_layers=2)
    assert told == [{"every_n_layers": 2}]


def test_nothing_is_looked_at_in_evaluation():
    model = plain.model().eval()
    model(IMAGES, labels=LABELS)["loss"].backward()
    assert model._moves._learned is None
    model.train()
    with torch.no_grad():
        model(IMAGES, labels=LABELS)
    assert model._moves._learned is None


def optimizer_of_all(model, kind=torch.optim.AdamW, **options):
    return kind(model.parameters(), lr=0.01, weight_decay=0.3, **options)


def test_groups_of_their_own_in_an_optimizer_that_is_there():
    model = plain.model()
    optimizer = optimizer_of_all(model, betas=(0.8, 0.9))
    assert own_groups(optimizer, model.criterion, lr=0.2) is optimizer
    told = [(group.get("name"), group["lr"], group["weight_decay"], group["betas"]) for group in optimizer.param_groups]
    assert told == [
        (None, 0.01, 0.3, (0.8, 0.9)), ("centers", 0.2, 0.0, (0.8, 0.9)), ("growth", 0.2, 0.0, (0.8, 0.9)),
        ("centers-2", 0.2, 0.0, (0.8, 0.9)),
    ]  # fmt: skip
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    own_groups(optimizer, model.criterion, lr=0.5)  # a second time they are moved, not doubled
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.5, 0.5, 0.5]


def test_what_an_optimizer_did_not_hold_is_held_then_and_a_group_that_is_empty_goes():
    model = plain.model()
    optimizer = own_groups(torch.optim.SGD(model.network.parameters(), lr=0.01), model.criterion, lr=0.2)
    assert len(optimizer.param_groups) == 4
    parts = [{"params": model.network.parameters()}, {"params": model.criterion.parameters()}]
    optimizer = own_groups(torch.optim.SGD(parts, lr=0.01), model.criterion, lr=0.2)
    assert [len(group["params"]) for group in optimizer.param_groups] == [5, 1, 1, 1]


def test_names_go_with_their_parameters():
    model = plain.model()
    optimizer = own_groups(torch.optim.AdamW(model.named_parameters(), lr=0.01), model.criterion, lr=0.2)
    names = [group["param_names"] for group in optimizer.param_groups]
    assert names[0] == [f"network.{name}" for name, _ in model.network.named_parameters()]
    assert names[1:] == [["auxiliaries.0.centers"], ["auxiliaries.0.growth"], ["auxiliaries.1.centers"]]


@pytest.mark.message
def test_an_optimizer_that_a_scheduler_follows_and_what_is_none_are_refused():
    model = plain.model()
    optimizer = optimizer_of_all(model)
    torch.optim.lr_scheduler.ConstantLR(optimizer)
    with pytest.raises(
        ValueError, match=r"^own_groups: groups must be made before a scheduler.*Build the scheduler afterwards\.$"
    ):
        own_groups(optimizer, model.criterion, lr=0.1)
    with pytest.raises(ValueError, match=r"^own_groups: optimizer must be one of torch; got a list of 1 number"):
        own_groups([0.1], model.criterion, lr=0.1)
    with pytest.raises(ValueError, match=r"^own_groups: lr must be a finite number of at least 0; got -1"):
        own_groups(optimizer_of_all(model), model.criterion, lr=-1)


def test_the_epoch_is_told_to_whatever_takes_it():
    criterion = JointLoss(CenterLoss(3, 2), WarmUp(0.4, epochs=4))
    labels = torch.arange(40) % 4
    order, expected = (BalancedBatchSampler(labels, batch_size=8) for _ in range(2))
    loader = DataLoader(TensorDataset(labels), batch_sampler=order)

    class Wraps:
        def __init__(self, dataloader):
            self.dataloader = dataloader

    set_epoch(2, nn.ModuleList([nn.Sequential(nn.Linear(2, 2), criterion)]), Wraps(loader))
    assert criterion.weights == [pytest.approx(0.3)]
    expected.set_epoch(2)
    assert list(order) == list(expected)
    set_epoch(0, criterion, order)
    assert criterion.weights == [pytest.approx(0.1)]


def test_what_wraps_is_told_first():
    told = []

    class Part:
        def __init__(self, name, sampler=None):
            self.name, self.sampler = name, sampler

        def set_epoch(self, epoch):
            told.append((self.name, epoch))

    inner = Part("inner")
    inner.sampler = inner
    set_epoch(3, Part("outer", inner))
    assert told == [("outer", 3), ("inner", 3)]
