"""Distances to centers and the class of the nearest: their laws for every loss with centers."""

import math

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.testing import assert_close

from sigma2r import CenterLoss, JointLoss, SigmaSquaredRLoss, SoftNearestNeighborLoss, check_values
from sigma2r.losses import _distances
from sigma2r.losses._distances import distances_between, nearest, own_distances
from tests.losses.cases import C, Case, D, N, as_lists, as_tensor, every_class_loss, make_batch
from tests.losses.memory import Memory
from tests.reference import rejection

CROWD = [i % 4 for i in range(48)]


def loss_at(case: Case, batch, **keywords) -> nn.Module:
    """The loss with the centers of a batch."""
    centers = batch["centers"]
    loss = case.build(*centers.shape, **keywords).to(centers.dtype)
    with torch.no_grad():
        loss.centers.copy_(centers)
    return loss


@every_class_loss
@pytest.mark.parametrize("size", [(1, 1), (1, D), (C, 1)], ids=["one number", "one class", "one dimension"])
def test_one_class_and_one_dimension_match_the_reference(case: Case, size):
    batch = make_batch([0, 0, 0], num_classes=size[0], feature_dim=size[1])
    loss = loss_at(case, batch)
    expected = rejection.distances(*as_lists([batch["features"], batch["centers"]]))
    assert_close(loss.distances(batch["features"]), as_tensor(expected))
    assert loss.predict(batch["features"]).tolist() == rejection.nearest(
        *as_lists([batch["features"], batch["centers"]])
    )


@every_class_loss
def test_no_sample_has_no_distance(case: Case):
    loss = case.build(C, D)
    assert loss.distances(torch.zeros(0, D)).shape == (0, C)
    assert loss.predict(torch.zeros(0, D)).shape == (0,)


@every_class_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_distances_are_float32_or_wider_and_those_of_the_numbers_that_came(case: Case, dtype: torch.dtype):
    batch = make_batch(CROWD, num_classes=4, feature_dim=32, dtype=torch.float32)
    features = batch["features"].to(dtype)
    loss = loss_at(case, batch)
    wanted = as_tensor(rejection.distances(*as_lists([features, loss.centers])))
    found = loss.distances(features)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert_close(found.double(), wanted, rtol=1e-15 if dtype == torch.float64 else 2**-23, atol=0)
    assert torch.equal(loss.predict(features), wanted.argmin(1))


@every_class_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_a_loss_of_another_dtype_keeps_it_and_half_is_computed_in_float32(case: Case, dtype: torch.dtype):
    loss, batch = case.build(C, D).to(dtype), make_batch(dtype=torch.float32, grad=True)
    found = loss.distances(batch["features"])
    found.sum().backward()
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert batch["features"].grad.dtype == torch.float32
    if loss.centers.requires_grad:
        assert loss.centers.grad.dtype == dtype


@every_class_loss
def test_autocast_does_not_lower_the_precision_of_distances(case: Case):
    batch = make_batch(CROWD, num_classes=4, feature_dim=32, dtype=torch.float32, grad=True)
    loss = loss_at(case, batch)
    outside = loss.distances(batch["features"])
    wanted = torch.autograd.grad(outside.sum(), batch["features"])[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss.distances(batch["features"])
        gradient = torch.autograd.grad(inside.sum(), batch["features"])[0]
        assert torch.equal(loss.predict(batch["features"]), outside.argmin(1))
        assert (batch["features"] @ batch["features"].T).dtype == torch.bfloat16  # autocast is on
    assert torch.equal(inside, outside)
    assert torch.equal(gradient, wanted)


@every_class_loss
def test_an_offset_of_ten_thousand_costs_no_digits_of_a_distance(case: Case):
    batch = make_batch(CROWD, num_classes=4, feature_dim=32, dtype=torch.float32)
    centers = batch["centers"] * 0.01 + 1e4
    features = centers[batch["labels"]] + 0.003 * batch["features"]
    loss = loss_at(case, batch | {"centers": centers})
    wanted = as_tensor(rejection.distances(*as_lists([features, centers])))
    assert wanted.max() < 1  # expanding the square in float32 is off by a hundred here
    assert_close(loss.distances(features).double(), wanted, rtol=2**-23, atol=0)
    assert torch.equal(loss.predict(features), wanted.argmin(1))


def test_a_feature_near_its_center_among_centers_far_apart_keeps_its_digits():
    batch = make_batch(CROWD, num_classes=4, feature_dim=32, dtype=torch.float32)
    centers = 1e4 * batch["centers"]
    features = centers[batch["labels"]] + 0.01 * batch["features"]
    features[:4] = centers[batch["labels"][:4]]
    wanted = as_tensor(rejection.distances(*as_lists([features, centers])))
    assert (wanted.amin(1)[4:] < 0.2).all()  # from products in float64 about the mean: digits of 1e-4 at best
    assert_close(distances_between(features, centers, torch.float32).double(), wanted, rtol=2**-23, atol=0)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e18, 1e30])
def test_tiny_and_huge_distances_equal_float64(scale: float):
    batch = make_batch(dtype=torch.float32)
    features, centers = batch["features"] * scale, batch["centers"] * scale
    wanted = as_tensor(rejection.distances(*as_lists([features, centers])))
    assert_close(distances_between(features, centers, torch.float32).double(), wanted, rtol=1e-6, atol=2**-149)
    assert torch.equal(nearest(features, centers).squeeze(1), wanted.argmin(1))


def test_a_stray_row_takes_no_digits_from_the_others():
    batch = make_batch(dtype=torch.float32)
    wanted = distances_between(batch["features"], batch["centers"], torch.float32)
    batch["features"][3] = 1e30
    found = distances_between(batch["features"], batch["centers"], torch.float32)
    others = torch.arange(N) != 3
    assert torch.equal(found[others], wanted[others])
    assert_close(found[3], torch.full((C,), 1e30 * math.sqrt(D)))


@every_class_loss
def test_distances_have_gradients_of_finite_differences_twice_and_finite_ones_on_centers(case: Case):
    batch = make_batch(grad=True)
    loss = loss_at(case, batch)

    def function(features, centers):
        return functional_call(_Distances(loss), {"loss.centers": centers}, (features,))

    inputs = (batch["features"], batch["centers"])
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)
    together = batch["centers"].detach()[batch["labels"]].requires_grad_()
    gradient = torch.autograd.grad(loss.distances(together).sum(), together)[0]
    assert gradient.isfinite().all()
    assert loss.distances(together)[torch.arange(N), batch["labels"]].eq(0).all()


class _Distances(nn.Module):
    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, features):
        return self.loss.distances(features)


@every_class_loss
def test_a_prediction_has_no_gradient(case: Case):
    batch = make_batch(dtype=torch.float32, grad=True)
    found = case.build(C, D).predict(batch["features"])
    assert found.dtype == torch.int64
    assert not found.requires_grad


@every_class_loss
def test_features_are_of_unit_length_where_those_of_the_loss_are(case: Case):
    batch = make_batch()
    loss = loss_at(case, batch, normalize=True)
    unit = torch.tensor([rejection.unit(x) for x in batch["features"].tolist()], dtype=torch.float64)
    assert_close(loss.distances(batch["features"]), loss_at(case, batch).distances(unit))
    assert torch.equal(loss.predict(7 * batch["features"]), loss_at(case, batch).predict(unit))
    assert not torch.allclose(loss.distances(batch["features"]), loss_at(case, batch).distances(batch["features"]))


@every_class_loss
def test_many_classes_need_memory_for_the_answer_and_a_bounded_rest(case: Case, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_distances, "_CHUNK", 2**14)
    batch = make_batch([0] * 64, num_classes=4000, feature_dim=8, dtype=torch.float32)
    loss = loss_at(case, batch)
    chunk = 8 * 2**14
    given = [loss.centers.untyped_storage(), batch["features"].untyped_storage()]
    with Memory() as memory:
        memory.seen.update(dict.fromkeys(given, True))
        found = loss.predict(batch["features"])
    assert memory.largest <= chunk  # all distances would take 64 * 4000 * 4 bytes, eight times as much
    assert memory.peak <= 6 * chunk
    with Memory() as memory, torch.no_grad():
        memory.seen.update(dict.fromkeys(given, True))
        distances = loss.distances(batch["features"])
    assert memory.largest <= distances.nbytes
    assert memory.peak <= 2 * distances.nbytes + 6 * chunk  # the blocks, and they in one
    assert torch.equal(distances.argmin(1), found)


@pytest.mark.parametrize("chunk", [1, 7, 2**11, 2**12, 2**22])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_whatever_is_held_at_once_the_nearest_are_the_same(monkeypatch, generator, chunk: int, k: int):
    points = torch.randn(40, 3, generator=generator)
    samples = torch.randn(23, 3, generator=generator)
    exact = torch.tensor([[float(d) for d in row] for row in rejection.exact_squares(*as_lists([samples, points]))])
    monkeypatch.setattr(_distances, "_CHUNK", chunk)
    found = nearest(samples, points, k)
    assert torch.equal(found, exact.double().argsort(1)[:, :k])
    wanted = distances_between(samples, points, torch.float32)
    assert_close(wanted, exact.sqrt().float())
    own = own_distances(samples, points[found[:, 0]])
    assert_close(own.float(), wanted.amin(1))


@pytest.mark.parametrize(
    ("dim", "offset", "dtype"),
    [(3, 0.0, torch.float32), (64, 1e3, torch.float32), (64, 1e6, torch.float64), (256, 1.0, torch.float32)],
    ids=str,
)
def test_the_nearest_is_off_by_no_more_than_its_error_bound(generator, dim: int, offset: float, dtype: torch.dtype):
    """Centers so near to each other, and features so near to the middle of two, that rounding decides."""
    points = offset + torch.randn(12, dim, generator=generator, dtype=torch.float64)
    step = 1e-6 * (1 + offset) if dtype == torch.float32 else 1e-3
    points = torch.cat([points, points + step * torch.randn(12, dim, generator=generator)]).to(dtype)
    samples = points[:12] + (0.5 + 1e-6 * torch.randn(12, 1, generator=generator)) * (points[12:] - points[:12])
    samples = samples.to(dtype)
    chosen = nearest(samples, points).squeeze(1).tolist()
    squares = rejection.exact_squares(*as_lists([samples, points]))
    middle = points.double().mean(0)
    radius = (samples.double() - middle).norm(dim=1).max() + (points.double() - middle).norm(dim=1).max()
    bound = (dim + 3) * 2.0**-52 * float(radius) ** 2
    assert all(float(row[k] - min(row)) <= bound for row, k in zip(squares, chosen, strict=True))
    naive = (0.5 * points.square().sum(1) - samples @ points.T).argmin(1).tolist()
    if offset > 1:  # squares expanded about the origin miss it
        assert not all(float(row[k] - min(row)) <= bound for row, k in zip(squares, naive, strict=True))


@pytest.mark.usefixtures("fresh_compiler")
@every_class_loss
def test_compiled_distances_and_predictions_equal_eager_ones(case: Case):
    batch = make_batch(dtype=torch.float32, grad=True)
    loss = loss_at(case, batch)
    compiled = torch.compile(loss.distances, fullgraph=True, backend="aot_eager")
    found, wanted = compiled(batch["features"]), loss.distances(batch["features"])
    assert_close(found, wanted)
    gradients = [torch.autograd.grad(value.sum(), batch["features"])[0] for value in (found, wanted)]
    assert_close(*gradients)
    predicts = torch.compile(loss.predict, fullgraph=True, backend="aot_eager")
    assert torch.equal(predicts(batch["features"]), loss.predict(batch["features"]))
    assert (predicts(batch["features"] * torch.nan) == -1).all()  # compiled code sees no values


@every_class_loss
def test_func_grad_and_vmap_go_through_distances(case: Case):
    batch = make_batch(dtype=torch.float32, grad=True)
    loss = loss_at(case, batch)
    loss.distances(batch["features"]).sum().backward()
    assert_close(grad(lambda x: loss.distances(x).sum())(batch["features"].detach()), batch["features"].grad)
    three = torch.stack([batch["features"].detach() + step for step in (0.0, 0.1, 0.2)])
    assert_close(vmap(loss.distances)(three), torch.stack([loss.distances(x) for x in three]))
    assert torch.equal(vmap(loss.predict)(three), torch.stack([loss.predict(x) for x in three]))


def test_the_first_of_equal_centers_is_as_good_as_the_second(generator):
    loss = CenterLoss(4, D)
    with torch.no_grad():
        loss.centers[3] = loss.centers[1]
    near = loss.centers.detach()[1] + 0.01 * torch.randn(50, D, generator=generator)
    assert set(loss.predict(near).tolist()) <= {1, 3}


def test_a_prediction_looks_at_values_where_that_is_free_or_asked_for(monkeypatch):
    monkeypatch.setattr(_distances, "values_are_readable", lambda tensor: False)
    features = torch.zeros(3, D)
    features[1] = torch.inf
    found = CenterLoss(C, D).predict(features).tolist()
    assert found[1] == -1
    assert -1 not in (found[0], found[2])
    monkeypatch.undo()
    with check_values(), pytest.raises(ValueError, match="1 of 3 rows"):
        CenterLoss(C, D).predict(features)


def test_a_distance_from_nan_is_nan():
    features = torch.zeros(3, D)
    features[1, 0] = torch.nan
    found = CenterLoss(C, D).distances(features)
    assert found[1].isnan().all()
    assert found[[0, 2]].isfinite().all()


def test_averaged_centers_rest_where_their_distances_are_asked_for():
    loss = CenterLoss(C, D, center_update="average")
    before, features = loss.centers.clone(), torch.randn(5, D, requires_grad=True)
    loss.distances(features).sum().backward()
    assert features.grad.abs().min() > 0
    assert torch.equal(loss.centers, before)


@pytest.mark.parametrize("build", [lambda loss: loss, torch.compile], ids=["plain", "compiled"])
def test_a_joint_loss_asks_the_one_of_its_losses_that_has_centers(build):
    loss, features = SigmaSquaredRLoss(C, D), torch.randn(N, D)
    joint = JointLoss([SoftNearestNeighborLoss(), build(loss)], [0.1, 0.2])
    assert torch.equal(joint.distances(features), loss.distances(features))
    assert torch.equal(joint.predict(features), loss.predict(features))


@pytest.mark.message
def test_what_is_wrong_is_told_in_one_sentence():
    loss = CenterLoss(C, D)
    bad = torch.zeros(N, D)
    bad[3] = torch.nan
    told = "CenterLoss.predict: features must be finite; 1 of 14 rows hold NaN or infinite values."
    with pytest.raises(ValueError, match=f"^{told}$"):
        loss.predict(bad)
    broken = CenterLoss(C, D)
    with torch.no_grad():
        broken.centers[1] = torch.inf
    told = (
        "CenterLoss.predict: centers must be finite; 1 of 3 rows hold NaN or infinite values. Did the training diverge?"
    )
    with pytest.raises(ValueError, match=f"^{told}"):
        broken.predict(torch.zeros(N, D))
    with pytest.raises(ValueError, match=r"^CenterLoss.distances: features must have the 4 dimensions of the centers"):
        loss.distances(torch.zeros(N, D + 1))
    with pytest.raises(ValueError, match=r"^CenterLoss.predict: features must have the 4 .* Are these the logits\?"):
        loss.predict(torch.zeros(N, C))
    with pytest.raises(ValueError, match=r"^CenterLoss.distances: features must be floating-point"):
        loss.distances(torch.zeros(N, D, dtype=torch.int64))


@pytest.mark.message
def test_a_joint_loss_without_centers_or_with_several_says_so():
    features = torch.zeros(N, D)
    none = JointLoss(SoftNearestNeighborLoss(), 0.1)
    told = (
        r"^JointLoss.distances: one of its losses must have centers; none has \(SoftNearestNeighborLoss\). Prototypes "
        r"of features without centers: ClassPrototypes.fit\(features, labels\).$"
    )
    with pytest.raises(ValueError, match=told):
        none.distances(features)
    several = JointLoss([SoftNearestNeighborLoss(), CenterLoss(C, D), SigmaSquaredRLoss(C, D)], [0.1] * 3)
    told = (
        r"^JointLoss.predict: one of its losses must have centers; several have \(CenterLoss and SigmaSquaredRLoss\). "
        r"Ask one of them: joint.auxiliaries\[1\].predict\(features\).$"
    )
    with pytest.raises(ValueError, match=told):
        several.predict(features)
    assert several.auxiliaries[1].predict(features).shape == (N,)
