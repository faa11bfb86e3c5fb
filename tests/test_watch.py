"""What Watch tells of a training that goes wrong in silence, and what it leaves a training that does not."""

import copy
import math
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from sigma2r import (
    CenterLoss,
    ContrastiveLoss,
    FeatureTap,
    JointLoss,
    SigmaSquaredRLoss,
    SoftNearestNeighborLoss,
    Watch,
    diagnose,
)
from sigma2r.diagnosis import far_from_scale

LABELS = torch.arange(24) % 3
ROWS = torch.randn(24, 8, generator=torch.Generator().manual_seed(0))


def as_is(features):
    return features


def told_of(
    loss, *, cut=as_is, steps=8, optimizer_of=None, watch_of=Watch, observed=as_is, given=as_is, cross_entropy=None
):
    """Warnings of some steps of a network's training with a loss on its features, and the last figures."""
    torch.manual_seed(0)
    body, head = nn.Linear(8, 4), nn.Linear(4, 3)
    network = [*body.parameters(), *head.parameters()]
    optimizer = (optimizer_of or (lambda network, loss: torch.optim.Adam([*network, *loss.parameters()], 0.01)))(
        network, loss
    )
    watch = watch_of(loss)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(steps):
            features = body(given(ROWS))
            logits = head(features)
            objective = torch.nn.functional.cross_entropy(logits, LABELS)
            if isinstance(loss, JointLoss):
                objective = loss(cut(features), cut(logits), LABELS)
            else:
                objective = objective + 0.1 * loss(cut(features), LABELS)
            optimizer.zero_grad()
            objective.backward()
            optimizer.step()
            figures = watch.observe(observed(features), LABELS, cross_entropy=cross_entropy, num_classes=3)
    return [str(warning.message) for warning in told], figures


losses = pytest.mark.parametrize(
    "loss_of",
    [
        lambda: CenterLoss(3, 4),
        lambda: CenterLoss(3, 4, center_update="average"),
        lambda: SigmaSquaredRLoss(3, 4),
        lambda: JointLoss(SigmaSquaredRLoss(3, 4), 0.01),
        lambda: JointLoss([CenterLoss(3, 4), SoftNearestNeighborLoss()], [0.1, 0.1]),
    ],
    ids=["center", "average", "sigma2r", "joint", "two"],
)


@losses
def test_a_training_with_nothing_wrong_is_told_nothing(loss_of):
    for observed in (as_is, torch.Tensor.detach):
        told, figures = told_of(loss_of(), observed=observed)
        assert told == []
        assert figures["num_not_finite"] == 0


def frozen(loss):
    """The same with features that may rest."""
    if isinstance(loss, JointLoss):
        return JointLoss(list(loss.auxiliaries), list(loss.schedules), frozen_features=True)
    return loss


@losses
@pytest.mark.parametrize("cut", [torch.Tensor.detach, lambda features: features.data], ids=["detach", "data"])
def test_features_that_reach_the_loss_without_a_graph_are_told_once(loss_of, cut):
    told, _ = told_of(loss_of(), cut=cut, steps=12)  # a joint loss takes them where logits have no graph either
    told = [sentence for sentence in told if "never moved" not in sentence]  # averages need a gradient to move
    assert len(told) == 1
    assert told[0].startswith("Watch: features reach the loss without a graph, in 5 observations")
    assert "frozen_features=True" in told[0]


@losses
def test_features_that_rest_on_purpose_are_not_told(loss_of):
    loss = frozen(loss_of())
    watch_of = Watch if isinstance(loss, JointLoss) else lambda each: Watch(each, frozen_features=True)
    told, _ = told_of(loss, cut=torch.Tensor.detach, watch_of=watch_of)
    assert [sentence for sentence in told if "graph" in sentence] == []


def test_a_batch_with_a_graph_in_between_is_patience_anew():
    steps = iter(range(100))
    told, _ = told_of(CenterLoss(3, 4), cut=lambda f: f if next(steps) % 4 == 3 else f.detach(), steps=20)
    assert told == []


def test_one_call_with_a_graph_between_two_observations_is_enough():
    loss = CenterLoss(3, 4)
    watch = Watch(loss, patience=1)
    for _ in range(3):
        for cut in (as_is, torch.Tensor.detach):
            loss(cut(ROWS[:, :4].clone().requires_grad_()), LABELS).backward()
        with torch.no_grad():
            loss.centers.sub_(loss.centers.grad)
        watch.observe()  # a warning would be an error


def test_the_tap_of_a_layer_that_was_last_called_without_gradients_is_told():
    body, loss = nn.Sequential(nn.Linear(8, 4), nn.ReLU()), CenterLoss(3, 4)
    watch = Watch(loss, patience=2)
    optimizer = torch.optim.SGD([*body.parameters(), *loss.parameters()], 0.01)
    with FeatureTap(body, "0") as tap, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            optimizer.zero_grad()
            output = body(ROWS)
            with torch.no_grad():
                body(ROWS)
            (output.sum() + loss(tap.features, LABELS)).backward()
            optimizer.step()
            watch.observe()
    assert len(told) == 1
    assert "features reach the loss without a graph, in 2 observations" in str(told[0].message)


def test_calls_in_evaluation_or_without_gradients_do_not_count():
    loss = CenterLoss(3, 4)
    watch = Watch(loss, patience=1)
    with torch.no_grad():
        loss(torch.zeros(24, 4), LABELS)
        loss.centers.add_(1.0)
    loss.centers.grad = torch.ones(3, 4)
    loss.eval()(torch.zeros(24, 4), LABELS)
    watch.observe()  # a warning would be an error
    assert watch._calls[0].first is None
    loss.train()(features=torch.zeros(24, 4), labels=LABELS)
    with pytest.warns(UserWarning, match="features reach the loss without a graph"):
        watch.observe()


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))], ids=["deep", "pickle"]
)
def test_a_watched_loss_can_be_copied_and_its_copy_is_not_watched(copied):
    loss = JointLoss(SigmaSquaredRLoss(3, 4), 0.01)
    watch = Watch(loss)
    twin = copied(loss)
    features, logits = ROWS[:, :4].clone().requires_grad_(), ROWS[:, 4:7].clone().requires_grad_()
    assert_close(twin(features, logits, LABELS), loss(features, logits, LABELS))
    assert watch._calls[0]._count == 1
    twin(features + 1, logits, LABELS)
    assert watch._calls[0]._count == 1
    assert all(not part._forward_pre_hooks and not part._forward_hooks for part in twin.modules())
    assert all(not part._forward_pre_hooks_with_kwargs for part in twin.modules())
    watch.remove()
    watch.remove()
    assert all(not part._forward_pre_hooks and not part._forward_hooks for part in loss.modules())


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("watched_first", [True, False])
def test_a_compiled_loss_can_be_watched(watched_first):
    loss = JointLoss(SigmaSquaredRLoss(3, 4), 0.01)
    watch = Watch(loss) if watched_first else None
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    features, logits = ROWS[:, :4].clone().requires_grad_(), ROWS[:, 4:7].clone().requires_grad_()
    compiled(features, logits, LABELS).backward()
    watch = watch or Watch(loss)
    compiled(features, logits, LABELS).backward()
    assert watch.observe(features, LABELS)["mean_gate"] > 0


def only_the_network(network, loss):
    return torch.optim.Adam(network, 0.01)


@losses
def test_what_no_optimizer_holds_is_told_by_its_gradients(loss_of):
    loss = loss_of()
    told, figures = told_of(loss, optimizer_of=only_the_network, steps=12)
    if any(parameter.requires_grad for parameter in loss.parameters()):
        assert len(told) == 1
        assert told[0].startswith("Watch: centers never moved in 5 observations. Are they in the optimizer? Add ")
        assert figures["never_moved"] == 3
    else:
        assert told == []


def test_a_loss_that_moves_does_not_hide_another_that_does_not():
    loss = JointLoss([CenterLoss(3, 4), SigmaSquaredRLoss(3, 4)], [0.1, 0.01])
    told, _ = told_of(
        loss, optimizer_of=lambda network, loss: torch.optim.Adam([*network, *loss.auxiliary.parameters()], 0.01)
    )
    assert len(told) == 1
    assert told[0].startswith("Watch: auxiliaries.1.centers, auxiliaries.1.growth never moved in 5 observations.")


def test_growth_that_never_moves_beside_centers_that_do_is_told():
    told, _ = told_of(
        SigmaSquaredRLoss(3, 4),
        optimizer_of=lambda network, loss: torch.optim.Adam([*network, loss.centers], 0.01),
    )
    assert len(told) == 1
    assert told[0].startswith("Watch: growth never moved in 5 observations.")


def test_growth_that_is_held_may_rest():
    assert told_of(SigmaSquaredRLoss(3, 4, fixed_growth=0.0))[0] == []


def test_a_temperature_that_no_optimizer_holds_is_told_and_one_that_learns_is_not():
    told, _ = told_of(SoftNearestNeighborLoss(learn_temperature=True))
    assert told == []
    told, _ = told_of(SoftNearestNeighborLoss(learn_temperature=True), optimizer_of=only_the_network)
    assert len(told) == 1
    assert told[0].startswith("Watch: log_inverse_temperature never moved in 5 observations.")


def test_what_learns_only_for_a_time_is_followed_while_it_does():
    loss = SigmaSquaredRLoss(3, 4)
    loss.growth.requires_grad_(False)
    watch = Watch(loss, patience=1)
    features = torch.randn(24, 4).requires_grad_()

    def step():
        loss(features, LABELS).backward()
        with torch.no_grad():
            loss.centers.sub_(0.1 * loss.centers.grad)

    step()
    watch.observe()  # a warning would be an error
    loss.growth.requires_grad_(True)
    step()
    loss.growth.requires_grad_(False)
    watch.observe()
    loss.growth.requires_grad_(True)
    step()
    with pytest.warns(UserWarning, match="growth never moved"):
        watch.observe()


def test_steps_too_small_for_the_dtype_of_centers_are_told():
    loss = CenterLoss(3, 4).to(torch.bfloat16)
    told, _ = told_of(loss, optimizer_of=lambda network, loss: torch.optim.SGD([*network, loss.centers], 1e-8))
    assert len(told) == 1
    assert "centers never moved" in told[0]


@pytest.mark.parametrize("as_list", [False, True])
def test_an_optimizer_that_is_given_is_looked_through_at_once(as_list):
    loss = JointLoss([CenterLoss(3, 4), SigmaSquaredRLoss(3, 4)], [0.1, 0.01])
    network = nn.Linear(8, 4)
    optimizer = torch.optim.Adam([*network.parameters(), loss.auxiliaries[1].growth], 0.01)
    watch = Watch(loss, optimizer=[optimizer] if as_list else optimizer)
    sentence = (
        r"^Watch: auxiliaries\.0\.centers, auxiliaries\.1\.centers will never move: no group of the optimizer holds"
    )
    with pytest.warns(UserWarning, match=sentence):
        watch.observe()
    late = Watch(loss, optimizer=optimizer)
    for group in loss.param_groups(lr=0.1):
        if group["params"][0] is not loss.auxiliaries[1].growth:
            optimizer.add_param_group(group)
    late.observe()  # a warning would be an error
    two = [torch.optim.Adam(loss.auxiliary.parameters()), torch.optim.Adam(loss.auxiliaries[1].parameters())]
    Watch(loss, optimizer=two).observe()
    Watch(CenterLoss(3, 4, center_update="average"), optimizer=optimizer).observe()


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("loss_of", [lambda: CenterLoss(3, 4), lambda: SigmaSquaredRLoss(3, 4)])
def test_features_that_are_not_finite_are_left_out_of_figures_and_told(loss_of, broken, generator):
    loss, features = loss_of(), torch.randn(24, 4, generator=generator)
    bad = torch.zeros(24, dtype=torch.bool)
    bad[[3, 7, 20]] = True
    spoilt = features.clone()
    spoilt[bad, 1] = broken
    with pytest.warns(UserWarning, match=r"^diagnose: 3 of 24 rows of features hold NaN or infinite values") as told:
        found = diagnose(loss, spoilt, LABELS)
    assert told[0].filename == __file__
    assert found.num_not_finite == 3
    assert {**found.as_dict(), "num_not_finite": 0} == diagnose(loss, features[~bad], LABELS[~bad]).as_dict()
    watch = Watch(loss)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            figures = watch.observe(spoilt, LABELS)
    assert len(told) == 1
    assert str(told[0].message).startswith("Watch: 3 of 24 rows of features hold NaN or infinite values")
    assert figures["num_not_finite"] == 3
    assert math.isfinite(figures["feature_std"])
    with pytest.warns(UserWarning, match="3 of 24 rows"):
        Watch(loss).observe(spoilt)  # without labels, too
    ignoring = LABELS.masked_fill(bad, -100)
    assert diagnose(loss, spoilt, ignoring).num_not_finite == 0  # rows that are not there
    Watch(loss).observe(spoilt, ignoring)


def test_a_batch_of_which_nothing_is_finite_is_told_too():
    with pytest.warns(UserWarning, match="24 of 24 rows"):
        found = diagnose(SigmaSquaredRLoss(3, 4), torch.full((24, 4), math.nan), LABELS)
    assert found.num_not_finite == 24
    assert math.isnan(found.feature_norm)
    with pytest.warns(UserWarning, match="24 of 24 rows"):
        Watch(SigmaSquaredRLoss(3, 4)).observe(torch.full((24, 4), math.nan), LABELS)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["centers", "growth"])
def test_what_is_learned_and_not_finite_is_told_once(name, broken):
    loss = SigmaSquaredRLoss(3, 4)
    watch = Watch(JointLoss(loss, 0.01))
    with torch.no_grad():
        getattr(loss, name)[1] = broken
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            watch.observe()
    assert len(told) == 1
    assert str(told[0].message).startswith(f"Watch: auxiliaries.0.{name} hold NaN or infinite values in 1 of 3 rows")


@pytest.mark.parametrize("value", [math.nan, math.inf, torch.tensor(math.nan)])
def test_a_cross_entropy_that_is_not_finite_is_told_once(value):
    told, _ = told_of(CenterLoss(3, 4), cross_entropy=value)
    assert len(told) == 1
    assert told[0].startswith(f"Watch: cross-entropy is {float(value)}. Lower")


@pytest.mark.parametrize(
    ("cross_entropy", "added", "far"),
    [(2.3, 451.0, True), (2.3, 17.0, False), (2.3, 46.0, False), (2.3, 46.1, True), (0.01, 19.9, False),
     (0.01, 20.1, True), (2.3, -451.0, True), (6.9, 60.0, False), (2.3, math.inf, True), (2.3, math.nan, False),
     (2.3, 0.0, False)],
)  # fmt: skip
def test_a_first_step_is_far_from_scale_above_twenty_times_the_cross_entropy(cross_entropy, added, far):
    sentence = far_from_scale(cross_entropy, added)
    assert (sentence is not None) == far
    if sentence is not None:
        assert sentence.startswith(f"the first step is far from scale: the losses on features begin at {added:.3g} ")
        assert "loss.init_centers" in sentence
        assert 'center_init="class-means"' in sentence
        assert sentence.endswith("or lower the weight.")
        assert "centers" not in (far_from_scale(cross_entropy, added, has_centers=False) or "")


def first_step(criterion, dim, *, call=True, labels=LABELS, **known):
    """What is told of the first steps of features of a dimension."""
    features, logits = torch.randn(24, dim).requires_grad_(), torch.randn(24, 10).requires_grad_()
    watch = Watch(criterion)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            if call:
                criterion(features, logits, labels).backward()
            watch.observe(features, labels, **known)
    return [str(warning.message) for warning in told]


@pytest.mark.parametrize("call", [True, False], ids=["called", "shown"])
def test_watch_tells_once_of_a_first_step_far_from_scale(call):
    told = first_step(JointLoss(SigmaSquaredRLoss(10, 2048), 0.01), 2048, call=call, cross_entropy=2.3, num_classes=10)
    assert len(told) == 1
    assert told[0].startswith("Watch: the first step is far from scale: the losses on features begin at ")
    assert "beside a cross-entropy of 2.3" in told[0]
    begin = float(told[0].split(" begin at ")[1].split()[0])
    assert 400 < begin < 1638  # 0.01 * 40 * (2048 + 2048) if all gates were open: features of unit variance
    assert len(first_step(JointLoss(SigmaSquaredRLoss(10, 2048), 0.01), 2048, call=call)) == 1  # C is that of the loss


@pytest.mark.parametrize("call", [True, False], ids=["called", "shown"])
def test_the_remedies_that_are_named_help(call):
    means, labels = SigmaSquaredRLoss(10, 2048, center_std=0.0), torch.arange(24) % 10
    assert first_step(JointLoss(SigmaSquaredRLoss(10, 2048), 1e-5), 2048, call=call) == []
    assert first_step(JointLoss(CenterLoss(10, 64), 0.01), 64, call=call, labels=labels) == []
    features = torch.randn(24, 2048)
    means.init_centers(features, labels)
    criterion = JointLoss(means, 1e-3)
    with torch.no_grad():
        before = JointLoss(SigmaSquaredRLoss(10, 2048), 1e-3)(features, torch.zeros(24, 10), labels)
        assert criterion(features, torch.zeros(24, 10), labels) < before / 2


def test_only_the_first_step_is_judged_by_its_scale():
    watch, features = Watch(JointLoss(CenterLoss(3, 4), 1.0)), torch.randn(24, 4)
    watch.observe(features, LABELS)
    watch.observe(1000 * features, LABELS)  # a warning would be an error


def test_of_two_losses_the_sum_counts_each_with_its_weight():
    two = JointLoss([CenterLoss(3, 4, center_std=0.0), CenterLoss(3, 4, center_std=90.0)], [1.0, 0.0])
    assert first_step(two, 4, cross_entropy=1.1, num_classes=3) == []
    two.weights = [0.0, 1.0]
    told = first_step(two, 4, cross_entropy=1.1, num_classes=3)
    assert len(told) == 1
    raised = JointLoss(SoftNearestNeighborLoss(), -1e3)
    told = first_step(raised, 4, cross_entropy=1.1, num_classes=3)
    assert len(told) == 1
    assert "class means" not in told[0]


class Foreign(torch.nn.Module):
    """A loss of another library."""

    def forward(self, features, labels):
        return features.square().sum()


@pytest.mark.parametrize("shown", ["labels", "features", "nothing"])
@pytest.mark.parametrize(
    ("loss", "weight"),
    [
        (lambda: ContrastiveLoss(margin=100.0), 10.0),
        (lambda: SoftNearestNeighborLoss(), -100.0),
        (lambda: SoftNearestNeighborLoss(learn_temperature=True), -100.0),
        (Foreign, 10.0),
    ],
)
def test_without_centers_the_classes_of_the_first_step_are_those_of_its_labels(loss, weight, shown, generator):
    criterion, labels = JointLoss(loss(), weight), torch.arange(24) % 5
    features, logits = (torch.randn(24, dim, generator=generator).requires_grad_() for dim in (8, 5))
    watch = Watch(criterion)
    criterion(features, logits, labels).backward()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            watch.observe(*{"labels": (features, labels), "features": (features,), "nothing": ()}[shown])
    assert len(told) == 1
    assert "beside a cross-entropy of 1.61," in str(told[0].message)  # ln 5


@pytest.mark.parametrize("labels", [torch.zeros(24).long(), torch.full((24,), -100)])
def test_a_first_step_of_one_class_or_none_is_judged_once_classes_are_known(labels):
    criterion = JointLoss(Foreign(), 10.0)
    told = first_step(criterion, 8, labels=labels)
    assert len(told) == (labels.max() == 0)
    assert all("beside a cross-entropy of 0.693," in each for each in told)


def test_a_loss_whose_weight_is_not_known_has_no_scale():
    loss = CenterLoss(3, 4, center_std=100.0)
    features = torch.randn(24, 4).requires_grad_()
    watch = Watch(loss)
    loss(features, LABELS).backward()
    watch.observe(features, LABELS, cross_entropy=1.1, num_classes=3)  # a warning would be an error


def test_figures_of_features_for_each_loss_are_those_that_the_gates_see(generator):
    gated = SigmaSquaredRLoss(3, 6, generator=generator)
    narrow, wide = torch.randn(24, 4, generator=generator), torch.randn(24, 6, generator=generator)
    criterion = JointLoss([CenterLoss(3, 4), gated], [0.1, 0.01])
    assert diagnose(criterion, [narrow, wide], LABELS) == diagnose(gated, wide, LABELS)
    ungated = JointLoss([CenterLoss(3, 4), CenterLoss(3, 6)], [0.1, 0.01])
    assert diagnose(ungated, [narrow, wide], LABELS) == diagnose(CenterLoss(3, 4), narrow, LABELS)
    assert Watch(criterion).observe([narrow, wide], LABELS)["mean_gate"] == diagnose(gated, wide, LABELS).mean_gate
    spoilt = narrow.clone()
    spoilt[0, 0] = math.nan
    with pytest.warns(UserWarning, match="1 of 24 rows"):
        Watch(criterion).observe([spoilt, wide], LABELS)


OPTIMIZERS = {
    "SGD": lambda groups: torch.optim.SGD(groups, lr=0.1),
    "SGD each": lambda groups: torch.optim.SGD(groups, lr=0.1, foreach=False),
    "SGD fused": lambda groups: torch.optim.SGD(groups, lr=0.1, fused=True),
    "Adam fused": lambda groups: torch.optim.Adam(groups, fused=True),
    "Adam foreach": lambda groups: torch.optim.Adam(groups, foreach=True),
    "Adam with a rate in a tensor": lambda groups: torch.optim.Adam(groups, lr=torch.tensor(0.1), capturable=False),
    **{
        name: getattr(torch.optim, name)
        for name in ("Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "ASGD", "NAdam", "RAdam", "RMSprop",
                     "Rprop")
    },
}  # fmt: skip
every_optimizer = pytest.mark.parametrize("optimizer_of", OPTIMIZERS.values(), ids=OPTIMIZERS)


def loop(
    optimizer_of=torch.optim.Adam,
    *,
    added=1,
    every=1,
    batches=40,
    weight=0.01,
    rate=None,
    patience=5,
    observed_first=False,
    scaler=None,
    back=False,
):
    """What is told of a training in which the optimizer holds everything and is shown."""
    torch.manual_seed(0)
    body, head = nn.Linear(8, 4), nn.Linear(4, 3)
    criterion = JointLoss(SigmaSquaredRLoss(3, 4), weight)
    groups = [{"params": [*body.parameters(), *head.parameters()]}, *criterion.param_groups(lr=0.1)]
    optimizer = optimizer_of(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate or (lambda step: 1.0))
    scaler = scaler or torch.amp.GradScaler("cpu", enabled=False)
    watch = Watch(criterion, optimizer=optimizer, patience=patience)
    start = criterion.auxiliary.centers.detach().clone()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for batch in range(batches):
            criterion.set_epoch(batch // 10)
            features = body(ROWS)
            scaler.scale(criterion(features, head(features), LABELS)).backward()
            if observed_first and batch % every == 0:
                watch.observe(features, LABELS)
            if (batch + 1) % added == 0:
                scaler.step(optimizer)
                scaler.update()
                schedule.step()
            if back:
                criterion.auxiliary.centers.data.copy_(start)
            if not observed_first and batch % every == 0:
                watch.observe(features, LABELS)
            if (batch + 1) % added == 0:
                optimizer.zero_grad()
    sentences = [str(warning.message) for warning in told]
    return [sentence for sentence in sentences if sentence.startswith("Watch: ")]  # a schedule has its own to say


either_end = pytest.mark.parametrize("observed_first", [False, True], ids=["after the step", "before the step"])


@either_end
@pytest.mark.parametrize(("added", "every", "batches"), [(8, 1, 40), (16, 2, 40), (64, 10, 200), (1000, 1, 40)])
def test_nothing_need_move_while_gradients_are_added_up(added, every, batches, observed_first):
    assert loop(added=added, every=every, batches=batches, observed_first=observed_first) == []


@either_end
@every_optimizer
def test_nothing_need_move_while_the_learning_rate_is_zero(optimizer_of, observed_first):
    rate = lambda step: min(1.0, step // 10 / 3)  # noqa: E731
    assert loop(optimizer_of, rate=rate, patience=2, observed_first=observed_first) == []  # ASGD is a step late
    assert loop(optimizer_of, rate=lambda step: 0.0, patience=1, observed_first=observed_first) == []


@either_end
@pytest.mark.parametrize("weight", [0.0, lambda epoch: 0.0 if epoch < 2 else 0.01])
def test_nothing_is_asked_of_a_loss_whose_weight_is_zero(weight, observed_first):
    assert loop(weight=weight, patience=1, observed_first=observed_first) == []
    assert loop(weight=weight, added=4, observed_first=observed_first) == []


def test_a_step_with_a_gradient_of_zero_is_none():
    loss = CenterLoss(3, 4)
    optimizer = torch.optim.SGD(loss.param_groups(lr=0.1))
    watch = Watch(loss, optimizer=optimizer, patience=3)
    for weight in (0.0, 0.0, 0.1, 0.0, 0.1, 0.0, 0.1, 0.0, 0.1):
        optimizer.zero_grad()
        (weight * loss(ROWS[:, :4].clone().requires_grad_(), LABELS)).backward()
        watch.observe()  # a warning would be an error
        if not weight:
            optimizer.step()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_steps_that_a_scaler_skips_are_none(kind, fused):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120, backoff_factor=2.0**-1)
    told = loop(lambda groups: kind(groups, fused=fused), weight=2.0**12, batches=8, patience=3, scaler=scaler)
    assert [sentence for sentence in told if "moved" in sentence or "no gradient" in sentence] == []


@every_optimizer
def test_what_the_optimizer_holds_and_does_not_move_is_told_without_asking_whether_it_holds_it(optimizer_of):
    told = [sentence for sentence in loop(optimizer_of, back=True) if "moved" in sentence]
    assert len(told) == 1
    assert told[0].startswith("Watch: centers never moved in 5 observations. The optimizer holds them and has stepped:")
    assert "Are they in the optimizer" not in told[0]


def test_a_watch_leaves_nothing_on_the_optimizer():
    loss = CenterLoss(3, 4)
    optimizer = torch.optim.SGD(loss.param_groups(lr=0.1))
    before = {name: copy.copy(value) for name, value in vars(optimizer).items()}
    Watch(loss, optimizer=optimizer).observe()
    assert vars(optimizer).keys() == before.keys()
    assert not optimizer._optimizer_step_post_hooks
    assert not optimizer._optimizer_step_pre_hooks
