"""Options of every loss: taken as their annotations want them, or refused in one sentence; by functions as well."""

import inspect
import math
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch

from sigma2r import JointLoss, SigmaSquaredRLoss, WarmUp, functional
from tests.losses.cases import CASES, Case, every_class_loss, every_loss, make_batch

pytestmark = pytest.mark.message  # the annotations' checker, where it is on, speaks before ours

WRONG = {
    bool: ["no", "maybe", 2, None, math.nan],
    int: ["abc", "7", 2.5, True, math.nan, math.inf, 1e20, 10**400, None, [3]],
    float: ["abc", "0.5", True, math.nan, math.inf, 10**400, [0.5], torch.zeros(2)],
    Literal: ["nonsense", "", 3, True, ["mean"], np.array(["mean"])],
    torch.Generator: [3, "seed"],
}
SAME = {
    bool: lambda value: [int(value), np.bool_(value), torch.tensor(value)],
    int: lambda value: [float(value), np.int64(value), torch.tensor(value), np.array(value)],
    float: lambda value: [np.float64(value), torch.tensor(value, dtype=torch.float64), np.array(value)],
}


def kind(annotation: Any) -> Any:
    """The kind behind bounds and behind "or None"."""
    inner = next((part for part in get_args(annotation) if part is not type(None)), None)
    if get_origin(annotation) is Literal:
        return Literal
    return annotation if annotation in WRONG else kind(inner)


def options(case: Case) -> list[inspect.Parameter]:
    return list(inspect.signature(case.module).parameters.values())


def arguments(case: Case) -> dict[str, Any]:
    return {**({"num_classes": 3, "feature_dim": 4} if case.learned else {}), **case.settings}


@every_loss
def test_every_option_of_every_module_refuses_what_it_cannot_mean(case: Case):
    for option in options(case):
        for value in WRONG[kind(option.annotation)]:
            if value is None and type(None) in get_args(option.annotation):
                continue
            begin = rf"^{case.module.__name__}: {option.name} must [^\n]*; got [^\n]*$"
            with pytest.raises(ValueError, match=begin):
                case.module(**{**arguments(case), option.name: value})


@every_loss
def test_every_option_of_every_module_takes_the_same_number_in_another_form(case: Case):
    def built(**given: Any) -> tuple[str, list[torch.Tensor]]:
        torch.manual_seed(0)
        module = case.module(**{**arguments(case), **given})
        return repr(module), list(module.parameters())

    for option in options(case):
        value = arguments(case).get(option.name, option.default)
        if kind(option.annotation) not in SAME or value is None:
            continue
        text, parameters = built()
        for form in SAME[kind(option.annotation)](value):
            other_text, other_parameters = built(**{option.name: form})
            assert other_text == text
            assert all(map(torch.equal, other_parameters, parameters))


def test_a_word_is_never_taken_for_true():
    for case in CASES:
        flags = [option.name for option in options(case) if option.annotation is bool]
        assert "normalize" in flags
        for name in flags:
            message = rf"^{case.module.__name__}: {name} must be True or False; got 'no'\. Did you mean False\?$"
            with pytest.raises(ValueError, match=message):
                case.module(**{**arguments(case), name: "no"})
            if name in inspect.signature(case.function).parameters:
                message = rf"^{case.function.__name__}: {name} must be True or False; got 'no'\.$"
                with pytest.raises(ValueError, match=message):
                    case.value(make_batch(), **{name: "no"})


@every_loss
def test_every_setting_of_every_function_refuses_what_it_cannot_mean(case: Case):
    settings = [p for p in inspect.signature(case.function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for setting in settings:
        if setting.name == "weights" or kind_of_setting(setting) is None:
            continue
        for value in WRONG[kind_of_setting(setting)]:
            may_be_none = value is None and (setting.name == "ignore_index" or setting.default is None)
            if may_be_none or (isinstance(value, torch.Tensor) and setting.name == "temperature"):
                continue
            begin = rf"^{case.function.__name__}: {setting.name} must [^\n]*; got [^\n]*$"
            with pytest.raises(ValueError, match=begin):
                case.value(make_batch(), **{setting.name: value})


def kind_of_setting(setting: inspect.Parameter) -> Any:
    return float if setting.name == "temperature" else kind(setting.annotation)


def test_counts_written_with_a_point_count_in_functions_too():
    batch = make_batch()
    inputs = [batch[name] for name in ("features", "labels", "centers", "growth")]
    expected = functional.sigma_squared_r_loss(*inputs, neighbors=3, max_per_class=14)
    for three, fourteen in ((3.0, 14.0), (np.int64(3), np.int64(14)), (torch.tensor(3), torch.tensor(14))):
        assert functional.sigma_squared_r_loss(*inputs, neighbors=three, max_per_class=fourteen) == expected
    for huge in (10**18, 2**63 - 1):
        all_of_them = functional.sigma_squared_r_loss(*inputs, neighbors=14)
        assert functional.sigma_squared_r_loss(*inputs, neighbors=huge, max_per_class=huge) == all_of_them


@every_class_loss
def test_more_classes_than_memory_holds_are_refused_with_their_number(case: Case):
    for sizes in ((10**13, 10**4), (2**62, 2**62)):
        begin = rf"^{case.module.__name__}: num_classes \* feature_dim numbers must fit into memory; got {sizes[0]} \*"
        with pytest.raises(ValueError, match=begin):
            case.module(*sizes, **case.settings)


def test_an_option_may_be_none_where_its_default_is():
    assert SigmaSquaredRLoss(3, 4, max_per_class=None, fixed_growth=None).max_per_class is None
    message = r"^SigmaSquaredRLoss: max_per_class must be a whole number of at least 1, or be None; got 'abc'\.$"
    with pytest.raises(ValueError, match=message):
        SigmaSquaredRLoss(3, 4, max_per_class="abc")


def test_added_classes_are_counted_by_the_same_rule():
    loss = SigmaSquaredRLoss(3, 4)
    loss.add_classes(2.0)
    assert loss.num_classes == 5
    with pytest.raises(
        ValueError, match=r"^SigmaSquaredRLoss: count must be a whole number of at least 1; got 'two'\.$"
    ):
        loss.add_classes("two")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda loss: JointLoss(0.1, loss), r"auxiliary must be .*; got 0\.1\. The order is JointLoss\(auxiliary, wei"),
        (lambda loss: JointLoss("center", 0.1), r"auxiliary must be a loss, .*, or several; got 'center'\.$"),
        (lambda loss: JointLoss(type(loss), 0.1), r"auxiliary .* got the class .*\. Did you mean SigmaSquaredRLoss\("),
        (lambda loss: JointLoss(functional.center_loss, 0.1), r"auxiliary must be .*; got a function\.$"),
        (lambda loss: JointLoss([loss, 0.1], [0.1, 0.1]), r"auxiliary must be .*; got 0\.1\."),
        (lambda loss: JointLoss(loss, "0.1"), r"weight must be a finite number of at least 0; got '0\.1'\.$"),
        (lambda loss: JointLoss(loss, None), r"weight must be a finite number of at least 0; got None\.$"),
        (lambda loss: JointLoss(loss, True), r"weight must be a finite number of at least 0; got True\.$"),
        (lambda loss: JointLoss(loss, lambda epoch: "x"), r"weight must be a finite number of at least 0; got 'x'\.$"),
        (lambda loss: JointLoss(loss, 0.1, ignore_index="x"), r"ignore_index must be a whole number, or .*got 'x'\.$"),
    ],
)  # fmt: skip
def test_a_joint_loss_says_which_of_its_arguments_it_cannot_use(make, message):
    with pytest.raises(ValueError, match=f"^JointLoss: {message}"):
        make(SigmaSquaredRLoss(3, 4))


def test_a_joint_loss_takes_weights_of_any_kind_of_number_and_lists_of_any_kind():
    losses = [SigmaSquaredRLoss(3, 4), SigmaSquaredRLoss(3, 4)]
    for weights in ([0.5, 0.25], (0.5, 0.25), np.array([0.5, 0.25]), torch.tensor([0.5, 0.25])):
        assert JointLoss(losses, weights).weights == [0.5, 0.25]
    for weight in (0.5, np.float32(0.5), torch.tensor(0.5)):
        assert JointLoss(losses[0], weight).weights == [0.5]
    assert len(JointLoss(torch.nn.ModuleList(losses), [0.5, 0.25]).auxiliaries) == 2


def test_a_weight_that_is_learned_gets_its_gradient():
    weight = torch.tensor(0.5, requires_grad=True)
    batch = make_batch(dtype=torch.float32)
    loss = SigmaSquaredRLoss(3, 4)
    JointLoss(loss, weight)(batch["features"], torch.randn(14, 3), batch["labels"]).backward()
    assert weight.grad == loss(batch["features"], batch["labels"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("a", 3), "weight must be a finite number; got 'a'"),
        ((math.inf, 3), "weight must be a finite number; got inf"),
        ((0.1, 2.5), r"epochs must be a whole number of at least 0; got 2\.5"),
        ((0.1, -1), "epochs must be a whole number of at least 0; got -1"),
    ],
)
def test_a_warm_up_that_makes_no_sense_is_refused(given, message):
    with pytest.raises(ValueError, match=rf"^WarmUp: {message}\.$"):
        WarmUp(*given)
    assert WarmUp(1, 3.0) == WarmUp(1.0, 3)
