"""What holds for every loss as a module: state, parameter groups, compilation."""

import copy
import io
import pickle

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.testing import assert_close

from tests.losses.cases import CASES, C, Case, D, every_class_loss, every_loss, make_batch


@every_loss
def test_the_module_equals_the_function(case: Case):
    module, batch = case.build(C, D), make_batch(dtype=torch.float32, grad=True)
    batch |= dict(module.named_parameters())
    assert set(dict(module.named_parameters())) == set(case.learned)
    for reduction in ("none", "mean", "sum"):
        module = case.build(C, D, reduction=reduction)
        module.load_state_dict({name: batch[name] for name in case.learned})
        value = module(batch["features"], batch["labels"])
        assert torch.equal(value, case.value(batch, reduction=reduction))
    value.backward()
    gradients = case.gradient(batch)
    assert torch.equal(batch["features"].grad, gradients.pop("features"))
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter.grad, gradients[name])


@every_loss
def test_state_survives_pickle_copy_and_state_dict(case: Case):
    module, batch = case.build(C, D), make_batch(dtype=torch.float32)
    expected = module(batch["features"], batch["labels"])
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    fresh = case.build(C, D)
    assert (fresh(batch["features"], batch["labels"]) != expected) == bool(case.learned)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    for twin in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module), fresh):
        assert torch.equal(twin(batch["features"], batch["labels"]), expected)
        assert repr(twin) == repr(module)


@every_loss
def test_parameters_keep_their_dtype(case: Case):
    for dtype in (torch.float64, torch.bfloat16):
        module, batch = case.build(C, D).to(dtype), make_batch(dtype=torch.float32, grad=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = module(batch["features"], batch["labels"])
        loss.backward()
        assert {p.dtype for p in module.parameters()} == ({dtype} if case.learned else set())
        assert {p.grad.dtype for p in module.parameters()} == ({dtype} if case.learned else set())
        assert loss.dtype == (torch.float64 if dtype == torch.float64 and case.learned else torch.float32)


@every_class_loss
def test_parameter_groups_hold_every_parameter_once_and_the_optimizers_weight_decay_does_not_reach_them(case: Case):
    module, batch = case.build(C, D), make_batch([0, 0, 0, 0], dtype=torch.float32)
    groups = module.param_groups(lr=0.25)
    held = [p for group in groups for p in group["params"]]
    assert [id(p) for p in held] == [id(p) for p in module.parameters()]
    assert all(group["lr"] == 0.25 for group in groups)
    before = [p.detach().clone() for p in held]
    optimizer = torch.optim.SGD(groups, lr=9.0, weight_decay=0.5)
    module(batch["features"], batch["labels"]).backward()
    optimizer.step()
    for parameter, start in zip(held, before, strict=True):
        if case.alone:
            assert torch.equal(parameter[1:], start[1:])  # classes 1 and 2 are absent
        assert_close(parameter[0], start[0] - 0.25 * parameter.grad[0], rtol=0, atol=0)
        assert not torch.equal(parameter[0], start[0])


@pytest.mark.usefixtures("fresh_compiler")
@every_loss
def test_compiled_code_equals_eager_code(case: Case):
    batch = make_batch(dtype=torch.float32, grad=True)
    compiled = torch.compile(case.function, fullgraph=True, backend="aot_eager")
    value = compiled(*case.tensors(batch), **case.settings, reduction="sum")
    assert_close(value, case.value(batch, reduction="sum"))
    inputs = case.differentiable(batch)
    wanted = case.gradient(batch)
    for name, gradient in zip(wanted, torch.autograd.grad(value, inputs), strict=True):
        assert_close(gradient, wanted[name])


@pytest.mark.usefixtures("fresh_compiler")
@every_loss
def test_another_composition_of_the_batch_is_not_compiled_again(case: Case):
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(case.function, fullgraph=True, backend=counter)
    for labels in ([i % C for i in range(12)], [0] * 7 + [1] * 5, [2, 1] * 6, [0, 1, -100] * 4):
        batch = make_batch(labels, dtype=torch.float32, grad=True)
        value = compiled(*case.tensors(batch), **case.settings, reduction="sum")
        assert_close(value, case.value(batch, reduction="sum"))
        wanted = case.gradient(batch)
        for name, gradient in zip(wanted, torch.autograd.grad(value, case.differentiable(batch)), strict=True):
            assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-5)
    assert counter.frame_count == 1


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
def test_center_loss_under_inductor_equals_eager_code():
    case, batch = CASES[0], make_batch(dtype=torch.float32, grad=True)
    value = torch.compile(case.function, fullgraph=True)(*case.tensors(batch))
    assert_close(value, case.value(batch))
    wanted = case.gradient(batch, reduction="mean")
    for name, gradient in zip(wanted, torch.autograd.grad(value, case.differentiable(batch)), strict=True):
        assert_close(gradient, wanted[name])


@every_loss
def test_a_loss_prints_its_sizes_and_settings(case: Case):
    text = repr(case.build(C, D))
    assert text.startswith(f"{case.module.__name__}({C}, {D}, " if case.learned else f"{case.module.__name__}(")
    for name, value in {**case.settings, "reduction": "mean"}.items():
        assert f"{name}={value!r}" in text
