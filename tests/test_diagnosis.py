"""Figures of a batch, and warnings that come when they should, once, and not otherwise."""

import math
import warnings

import pytest
import torch

from sigma2r import CenterLoss, JointLoss, SigmaSquaredRLoss, SoftNearestNeighborLoss, Watch, diagnose

LABELS = torch.arange(24) % 3


def test_the_figures_of_a_batch_are_those_counted_by_hand():
    features, labels = torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0], [3.0, -5.0]]), torch.zeros(4).long()
    found = diagnose(CenterLoss(1, 2), features, labels)
    assert found.feature_norm == pytest.approx((5 + 1 + 0 + math.sqrt(34)) / 4, rel=1e-6)
    squares = 2 * 1.5**2 + 2 * 1.5**2 + 4**2 + 1**2 + 0**2 + 5**2
    assert found.feature_std == pytest.approx(math.sqrt(squares / 8))
    assert (found.mean_gate, found.closed_gates, found.open_gates, found.saturated_gates) == (None,) * 4


def test_gates_are_counted_as_closed_open_or_neither(generator):
    loss = SigmaSquaredRLoss(3, 4, ceiling=10.0, generator=generator)
    with torch.no_grad():
        loss.growth.fill_(20.0)
    features = 3 * torch.randn(24, 4, generator=generator)
    gate = loss.gate(features, LABELS)
    closed, opened = int((gate < 0.1).sum()), int((gate > 9.9).sum())
    assert 0 < closed < 24 - opened < 24
    found = diagnose(JointLoss([SoftNearestNeighborLoss(), loss], [0.1, 0.1]), features, LABELS)
    assert found.mean_gate == pytest.approx(float(gate.mean()), rel=1e-6)
    assert (found.closed_gates, found.open_gates) == (closed / 24, opened / 24)
    assert found.as_dict()["saturated_gates"] == pytest.approx((closed + opened) / 24)


def trained(watch_of, *, optimizer_has_centers=True, backward=True, steps=8, shrink=1.0, cross_entropy=0.5):
    """Warnings of some steps of training, and the last figures."""
    generator = torch.Generator().manual_seed(0)
    loss = SigmaSquaredRLoss(3, 4, generator=generator)
    optimizer = torch.optim.Adam(loss.param_groups(lr=0.1)) if optimizer_has_centers else None
    watch = watch_of(loss)
    features = torch.randn(24, 4, generator=generator)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for step in range(steps):
            loss.zero_grad()
            if backward:
                loss(features, LABELS).backward()
            if optimizer is not None:
                optimizer.step()
            figures = watch.observe(features * shrink**step, cross_entropy=cross_entropy, num_classes=3)
    return [str(warning.message) for warning in told], figures


def test_a_healthy_training_is_told_nothing():
    told, figures = trained(Watch)
    assert told == []
    assert (figures["never_moved"], figures["never_had_gradient"]) == (0, 0)
    assert figures["drift"] > figures["step"] > 0


def test_centers_that_no_optimizer_holds_are_told_once():
    told, figures = trained(Watch, optimizer_has_centers=False, steps=12)
    assert len(told) == 1
    assert told[0].startswith("Watch: centers never moved in 5 observations.")
    assert "Add loss.param_groups(lr=...)." in told[0]
    assert (figures["drift"], figures["never_moved"]) == (0, 3)


def test_centers_without_a_gradient_are_told_once():
    told, figures = trained(Watch, backward=False, steps=12)
    assert len(told) == 1
    assert told[0].startswith("Watch: centers got no gradient in 5 observations.")
    assert figures["never_had_gradient"] == 3


def test_collapse_is_told_once_and_only_where_cross_entropy_is_that_of_a_guess():
    told, _ = trained(Watch, shrink=0.3, cross_entropy=math.log(3), steps=14)
    assert len(told) == 1
    assert "features collapsed: cross-entropy stays at 1.099, a guess among 3 classes" in told[0]
    assert told[0].endswith("Lower the weight of the loss or warm it up.")
    assert trained(Watch, shrink=0.3, cross_entropy=0.2, steps=14)[0] == []
    assert trained(Watch, shrink=1.0, cross_entropy=math.log(3), steps=14)[0] == []


def test_patience_decides_when_it_is_told():
    assert trained(lambda loss: Watch(loss, patience=20), optimizer_has_centers=False, steps=12)[0] == []


def test_classes_that_come_and_losses_without_centers_are_watched_too():
    loss = CenterLoss(3, 4)
    watch = Watch(loss)
    loss.add_classes(2)
    assert watch.observe()["never_moved"] == 5
    assert Watch(SoftNearestNeighborLoss()).observe(torch.randn(4, 2)) == {
        "drift": 0.0, "step": 0.0, "never_had_gradient": 0.0, "never_moved": 0.0
    }  # fmt: skip


def test_drift_and_step_are_mean_distances():
    loss = CenterLoss(2, 2, center_std=0.0)
    watch = Watch(loss)
    with torch.no_grad():
        loss.centers.copy_(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    assert watch.observe()["drift"] == 2.5
    with torch.no_grad():
        loss.centers.copy_(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    figures = watch.observe()
    assert (figures["drift"], figures["step"], figures["never_moved"]) == (3.0, 0.5, 0.0)


@pytest.mark.parametrize("growth", [50.0, -50.0], ids=["steep", "flat"])
def test_gates_that_are_all_saturated_are_told_once(growth, generator):
    loss = SigmaSquaredRLoss(3, 4, generator=generator)
    watch = Watch(loss)
    with torch.no_grad():
        loss.growth.fill_(growth)
    features = 1000 * torch.randn(24, 4, generator=generator)
    saturated = diagnose(loss, features, LABELS).saturated_gates
    assert (saturated >= 0.99) == (growth > 0)
    loss(features, LABELS).backward()
    with torch.no_grad():
        loss.centers.add_(0.1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(12):
            watch.observe(features, LABELS)
    assert len(told) == (growth > 0)
    if told:
        assert "gates are saturated" in str(told[0].message)
        assert "in 5 observations" in str(told[0].message)


@pytest.mark.message
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["centers", "growth"])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("joint", [False, True])
def test_centers_and_growth_that_are_not_finite_are_told_and_give_no_figures(name, broken, frozen, joint, generator):
    loss = SigmaSquaredRLoss(3, 4)
    whole = JointLoss(loss, 0.0) if joint else loss
    whole.requires_grad_(not frozen)
    with torch.no_grad():
        getattr(loss, name)[1] = broken
    features, labels = torch.randn(9, 4, generator=generator), torch.arange(9) % 3
    spelled = f"auxiliaries.0.{name}" if joint else name
    told = rf"^diagnose: {spelled} hold NaN or infinite values in 1 of 3 rows, and will keep them\. Go back"
    with pytest.warns(UserWarning, match=told) as warned:
        found = diagnose(whole, features, labels)
    assert len(warned) == 1
    assert math.isnan(found.mean_gate)
    assert math.isnan(found.closed_gates)
    assert math.isnan(found.open_gates)
    assert math.isfinite(found.feature_norm)
    assert found.num_not_finite == 0
    with pytest.warns(UserWarning, match=told):
        others = diagnose(whole, features[labels != 1], labels[labels != 1])
    assert math.isfinite(others.mean_gate)  # no gate of theirs is in the batch
    with pytest.warns(UserWarning, match=told.replace("diagnose", "Watch")) as warned:
        assert math.isnan(Watch(whole).observe(features, labels)["mean_gate"])
    assert len(warned) == 1


@pytest.mark.parametrize("loss", [CenterLoss(3, 4), CenterLoss(3, 4, center_update="average")])
def test_centers_of_losses_without_gates_that_are_not_finite_are_told_too(loss, generator):
    with torch.no_grad():
        loss.centers[0, 2] = math.nan
    with pytest.warns(UserWarning, match="^diagnose: centers hold NaN or infinite values in 1 of 3 rows"):
        assert diagnose(loss, torch.randn(9, 4, generator=generator), torch.arange(9) % 3).mean_gate is None


@pytest.mark.parametrize("patience", [0, -1, 2.5])
def test_patience_must_be_a_count(patience):
    with pytest.raises(ValueError, match="patience"):
        Watch(CenterLoss(3, 4), patience=patience)


def test_rows_that_the_loss_ignores_do_not_count(generator):
    loss = SigmaSquaredRLoss(3, 4, ignore_index=-1, generator=generator)
    features = torch.randn(24, 4, generator=generator)
    strange = torch.full((5, 4), 1e6)
    labels = torch.cat([LABELS, torch.full((5,), -1)])
    assert diagnose(loss, torch.cat([features, strange]), labels) == diagnose(loss, features, LABELS)


def averaged(*, training: bool):
    """Warnings of eight observations of centers that are averages, and the last figures."""
    generator = torch.Generator().manual_seed(0)
    loss = CenterLoss(3, 4, center_update="average", generator=generator).train(training)
    watch = Watch(loss)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(8):
            features = torch.randn(24, 4, generator=generator, requires_grad=True)
            loss(features, LABELS).backward()
            figures = watch.observe()
    return [str(warning.message) for warning in told], figures


def test_centers_that_are_averaged_are_followed_without_a_gradient():
    told, figures = averaged(training=True)
    assert told == []
    assert figures["drift"] > figures["step"] > 0
    assert (figures["never_moved"], figures["never_had_gradient"]) == (0, 0)


def test_averages_that_stand_still_are_told():
    told, figures = averaged(training=False)
    assert len(told) == 1
    assert "centers never moved in 5 observations" in told[0]
    assert "training mode" in told[0]
    assert figures["never_moved"] == 3


def test_a_batch_of_lists_or_arrays_has_the_figures_of_its_tensors():
    loss, features = SigmaSquaredRLoss(3, 4), torch.randn(24, 4)
    expected = diagnose(loss, features, LABELS)
    for x, y in ((features.tolist(), LABELS.tolist()), (features.numpy(), LABELS.numpy()), (features, LABELS.numpy())):
        assert diagnose(loss, x, y).as_dict() == pytest.approx(expected.as_dict())
        assert Watch(loss).observe(x, y) == pytest.approx(Watch(loss).observe(features, LABELS))
    assert Watch(loss).observe(features.numpy()) == Watch(loss).observe(features)


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (
            lambda loss, x, y: diagnose(x, y, loss),
            r"diagnose: loss must be an nn\.Module; got .* \(24, 4\) .* The order is ",
        ),
        (
            lambda loss, x, y: diagnose(loss, y, x),
            r"diagnose: features and labels are exchanged, .* \(24,\) and \(24, 4\)",
        ),
        (
            lambda loss, x, y: diagnose(loss, (x, x), y),
            r"diagnose: features must be .* Does the network return several",
        ),
        (
            lambda loss, x, y: diagnose(loss, x, y[:5]),
            r"diagnose: labels must hold one class index per row .* got \(5,\)",
        ),
        (lambda loss, x, y: diagnose(loss, x[0], y), r"diagnose: features must be a matrix"),
        (lambda loss, x, y: Watch(loss).observe(y, x), r"Watch: features and labels are exchanged"),
        (lambda loss, x, y: Watch(loss).observe(x[0]), r"Watch: features must be a matrix"),
        (lambda loss, x, y: Watch(loss).observe(labels=y), r"Watch: labels are those of features; got labels alone\."),
        (lambda loss, x, y: Watch(x), r"Watch: loss must be a Module; got a torch\.Tensor"),
        (lambda loss, x, y: Watch(loss, patience="long"), r"Watch: patience must be a whole number .*; got 'long'\.$"),
    ],
)
def test_figures_of_nothing_sensible_are_refused(look, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        look(CenterLoss(3, 4), torch.randn(24, 4), LABELS)
