"""torch's own tools on every loss: torch.func, torch.compile, optimizers with names."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap
from torch.testing import assert_close

from sigma2r import CenterLoss, JointLoss, SigmaSquaredRLoss, SoftNearestNeighborLoss, functional
from tests.losses.cases import CASES, C, Case, D, N, every_class_loss, every_loss, make_batch

PLAIN = [case for case in CASES if case.function is functional.sigma_squared_r_loss][:1]
OTHERWISE = [
    {"max_per_class": 6},
    {"through_spread": True},
    {"through_spread": True, "max_per_class": 6},
    {"sparse_grad": True},
    {"normalize": True},
]
LEAF = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch hides it itself
JIT = pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, on the way to jvp


def call(case: Case, **keywords):
    return lambda *tensors: case.function(*tensors, **{**case.settings, "reduction": "sum", **keywords})


def detached(case: Case, batch):
    return [tensor.detach() for tensor in case.tensors(batch)]


def dense(tensor):
    return tensor.to_dense() if tensor.is_sparse else tensor


def check_gradients(case: Case, **keywords):
    batch = make_batch([0, 1, 1, 2, -100, 0, 1, 2, 2, 1], grad=True)
    positions = tuple(i for i, tensor in enumerate(case.tensors(batch)) if tensor.is_floating_point())
    found = grad(call(case, **keywords), argnums=positions)(*detached(case, batch))
    wanted = case.gradient(batch, **keywords)
    for gradient, (name, expected) in zip(found, wanted.items(), strict=True):
        assert_close(dense(gradient), dense(expected), msg=lambda text, name=name: f"{name}: {text}")


@every_loss
def test_func_grad_is_the_gradient(case: Case):
    check_gradients(case)


@pytest.mark.parametrize("keywords", OTHERWISE, ids=str)
def test_func_grad_is_the_gradient_of_sigma_squared_r_in_every_form(keywords):
    check_gradients(PLAIN[0], **keywords)


def many(case: Case):
    """Three batches at once, with labels of their own; what is learned is common to all."""
    batch = make_batch(grad=False)
    features, labels, *learned = case.tensors(batch)
    labels = torch.stack([labels, labels.flip(0), labels.roll(1).masked_fill(labels == 2, -100)])
    return torch.stack([features, 1.3 * features + 0.1, features.flip(0)]), labels, learned


def check_batches(case: Case, **keywords):
    features, labels, learned = many(case)

    def value(x, y):
        return call(case, **keywords)(x, y, *learned)

    pairs = list(zip(features, labels, strict=True))
    assert_close(vmap(value)(features, labels), torch.stack([value(x, y) for x, y in pairs]))
    assert_close(vmap(value, (None, 0))(features[0], labels), torch.stack([value(features[0], y) for y in labels]))
    assert_close(vmap(value, (0, None))(features, labels[0]), torch.stack([value(x, labels[0]) for x in features]))
    each = torch.stack([grad(value)(x, y) for x, y in pairs])
    assert_close(vmap(grad(value))(features, labels), each)


@every_loss
def test_vmap_is_a_loop_over_batches(case: Case):
    check_batches(case)


@pytest.mark.parametrize("keywords", OTHERWISE, ids=str)
def test_vmap_is_a_loop_over_batches_of_sigma_squared_r_in_every_form(keywords):
    check_batches(PLAIN[0], **keywords)


@JIT
@every_loss
def test_jvp_is_the_gradient_times_the_direction(case: Case, generator):
    batch = make_batch(grad=True)
    features, *others = detached(case, batch)
    direction = torch.randn(features.shape, generator=generator, dtype=features.dtype)
    _, slope = jvp(lambda x: call(case)(x, *others), (features,), (direction,))
    assert_close(slope, (case.gradient(batch)["features"] * direction).sum())


@JIT
def test_second_derivatives_are_those_of_autograd(generator):
    for case in (PLAIN[0], next(case for case in CASES if case.function is functional.contrastive_loss)):
        batch = make_batch(grad=True)
        features, *others = detached(case, batch)
        direction = torch.randn(features.shape, generator=generator, dtype=features.dtype)
        first = torch.autograd.grad(case.value(batch, reduction="sum"), batch["features"], create_graph=True)[0]
        wanted = torch.autograd.grad((first * direction).sum(), batch["features"])[0]
        slope = grad(lambda x, case=case, others=others: call(case)(x, *others))
        assert_close(jvp(slope, (features,), (direction,))[1], wanted)
        assert_close(grad(lambda x, d=direction, f=slope: (f(x) * d).sum())(features), wanted)


@every_class_loss
def test_a_module_is_a_function_of_its_parameters(case: Case):
    module, batch = case.build(C, D), make_batch(dtype=torch.float32)
    parameters = {name: p.detach() for name, p in module.named_parameters()}
    found = grad(lambda p: functional_call(module, p, (batch["features"], batch["labels"])))(parameters)
    module(batch["features"], batch["labels"]).backward()
    for name, parameter in module.named_parameters():
        assert_close(found[name], parameter.grad)


def test_the_joint_loss_goes_through_torch_func():
    joint = JointLoss([CenterLoss(C, D), SigmaSquaredRLoss(C, D)], [0.1, 0.2])
    batch, logits = make_batch(dtype=torch.float32, grad=True), torch.randn(N, C)
    labels = batch["labels"].masked_fill(batch["labels"] == 1, -100)
    joint(batch["features"], logits, labels).backward()
    found = grad(lambda x: joint(x, logits, labels))(batch["features"].detach())
    assert_close(found, batch["features"].grad)


def test_func_grad_under_autocast_keeps_its_precision():
    case = next(case for case in CASES if case.function is functional.contrastive_loss)
    batch = make_batch(dtype=torch.float32, grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = grad(call(case))(*detached(case, batch))
    assert_close(found, case.gradient(batch)["features"])


def test_averaged_centers_rest_under_torch_func():
    loss, batch = CenterLoss(C, D, center_update="average"), make_batch(dtype=torch.float32)
    before = loss.centers.clone()
    grad(loss)(batch["features"], batch["labels"])
    vmap(loss)(batch["features"].unsqueeze(0), batch["labels"].unsqueeze(0))
    assert torch.equal(loss.centers, before)
    loss(batch["features"].requires_grad_(), batch["labels"]).backward()
    assert not torch.equal(loss.centers, before)


def check_compiled_average(backend):
    for keywords in ({}, {"normalize": True}, {"reduction": "none"}):
        loss = CenterLoss(C, D, center_update="average", **keywords)
        twin = copy.deepcopy(loss)
        compiled = torch.compile(loss, fullgraph=True, backend=backend)
        for step in range(3):
            batch = make_batch(dtype=torch.float32, grad=True)
            labels = batch["labels"].clone()
            labels[step] = -100
            value, before = compiled(batch["features"], labels), loss.centers.clone()
            assert torch.equal(before, loss.centers)
            value.sum().backward()
            found, batch["features"].grad = batch["features"].grad, None
            wanted = twin(batch["features"], labels)
            wanted.sum().backward()
            assert_close(value, wanted)
            assert_close(found, batch["features"].grad)
            assert_close(loss.centers, twin.centers)
            assert not torch.equal(loss.centers, before)
        loss.eval()
        compiled(batch["features"], labels).sum().backward()
        assert_close(loss.centers, twin.centers)


@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_averaged_centers_move_as_in_eager_code():
    check_compiled_average("aot_eager")


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_averaged_centers_move_under_inductor():
    check_compiled_average("inductor")


def check_compiled_sparse(backend, build, keywords, fullgraph):
    loss, batch = build(C, D, sparse_grad=True, **keywords), make_batch(dtype=torch.float32, grad=True)
    loss(batch["features"], batch["labels"]).backward()
    wanted = {name: p.grad for name, p in loss.named_parameters()}
    features, batch["features"].grad = batch["features"].grad, None
    loss.zero_grad()
    torch.compile(loss, fullgraph=fullgraph, backend=backend)(batch["features"], batch["labels"]).backward()
    assert_close(batch["features"].grad, features, rtol=1e-4, atol=1e-4)
    for name, parameter in loss.named_parameters():
        assert parameter.grad.is_sparse
        assert_close(parameter.grad.to_dense(), wanted[name].to_dense(), rtol=1e-4, atol=1e-4)


SPARSE = {
    "center": (CenterLoss, {}, True),
    "sigma": (SigmaSquaredRLoss, {}, False),
    "through": (SigmaSquaredRLoss, {"max_per_class": 9, "through_spread": True}, False),
}


@LEAF
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("name", SPARSE)
def test_compiled_losses_with_sparse_gradients_equal_eager_code(name):
    check_compiled_sparse("aot_eager", *SPARSE[name])


@pytest.mark.slow
@LEAF
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("name", SPARSE)
def test_compiled_losses_with_sparse_gradients_under_inductor(name):
    check_compiled_sparse("inductor", *SPARSE[name])


@pytest.mark.message
@pytest.mark.usefixtures("fresh_compiler")
def test_what_cannot_be_compiled_whole_says_so():
    loss, batch = SigmaSquaredRLoss(C, D, sparse_grad=True), make_batch(dtype=torch.float32)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    with pytest.raises(Exception, match="sigma_squared_r_loss: sparse_grad=True must be compiled with fullgraph=False"):
        compiled(batch["features"], batch["labels"])


@pytest.mark.usefixtures("fresh_compiler")
@every_loss
def test_compiled_transforms_equal_eager_ones(case: Case):
    features, labels, learned = many(case)
    keywords = {"max_per_class": 9} if case.function is functional.sigma_squared_r_loss else {}

    def value(x):
        return call(case, **keywords)(x, labels[0], *learned)

    for transformed, given in ((grad(value), features[0]), (vmap(value), features)):
        assert_close(torch.compile(transformed, fullgraph=True, backend="aot_eager")(given), transformed(given))


def losses_with_equal_names():
    own = nn.Linear(2, 2)
    own.param_groups = lambda *, lr: [{"params": list(own.parameters()), "lr": lr}]  # without a name
    return JointLoss(
        [
            CenterLoss(3, 2),
            SigmaSquaredRLoss(3, 2),
            CenterLoss(3, 2),
            SoftNearestNeighborLoss(learn_temperature=True),
            own,
        ],
        [0.1] * 5,
    )


def test_no_two_groups_of_a_joint_loss_have_one_name():
    joint = losses_with_equal_names()
    groups = joint.param_groups(lr=0.1)
    names = [group["name"] for group in groups]
    assert names == ["centers", "centers-2", "growth", "centers-3", "log_inverse_temperature", "auxiliary"]
    assert [id(p) for group in groups for p in group["params"]] == [id(p) for p in joint.parameters()]
    assert [group["name"] for group in joint.param_groups(lr=0.1, prefix="b/")] == [f"b/{name}" for name in names]


@pytest.mark.parametrize("build", [lambda: SigmaSquaredRLoss(3, 2), losses_with_equal_names], ids=["loss", "joint"])
def test_parameters_have_names_beside_a_network_with_names(build):
    loss, network = build(), nn.Linear(2, 3)
    groups = [{"params": network.named_parameters()}, *loss.param_groups(lr=0.1, named=True, prefix="loss.")]
    optimizer = torch.optim.Adam(groups)
    held = {
        name: p
        for group in optimizer.param_groups
        for name, p in zip(group["param_names"], group["params"], strict=True)
    }
    expected = dict(network.named_parameters()) | {f"loss.{name}": p for name, p in loss.named_parameters()}
    assert held.keys() == expected.keys()
    assert all(held[name] is parameter for name, parameter in expected.items())
    plain = torch.optim.Adam([{"params": network.parameters()}, *loss.param_groups(lr=0.1)])
    assert len(plain.param_groups) == len(optimizer.param_groups)
