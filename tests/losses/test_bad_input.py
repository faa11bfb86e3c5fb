"""Bad input to losses: who says it, the rule, what came, the remedy."""

import pytest
import torch

from sigma2r import CenterLoss, SigmaSquaredRLoss, check_values, functional
from sigma2r.losses._checks import values_are_readable
from tests.losses.cases import Case, every_loss, make_batch

pytestmark = pytest.mark.message


def call(case: Case, **changed):
    batch = make_batch() | changed
    return case.value(batch)


@every_loss
def test_features_must_be_a_matrix(case: Case):
    name = case.function.__name__
    with pytest.raises(ValueError, match=rf"{name}: features must be a matrix .* got shape \(14, 2, 2\). Did you mean"):
        call(case, features=torch.zeros(14, 2, 2))


@every_loss
def test_features_must_be_floating_point(case: Case):
    with pytest.raises(ValueError, match=r"features must be floating-point; got torch.int64. Did you mean features.fl"):
        call(case, features=torch.zeros(14, 4, dtype=torch.int64))


@every_loss
def test_features_must_have_the_dimensions_of_the_centers(case: Case):
    with pytest.raises(
        ValueError, match=r"features must have the 4 dimensions .* got shape \(14, 5\). .*feature_dim=5"
    ):
        call(case, features=torch.zeros(14, 5))


@every_loss
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(14, 1, dtype=torch.int64), r"shape \(14,\); got \(14, 1\). Did you mean labels.squeeze\(1\)\?"),
        (torch.zeros(14, 3, dtype=torch.int64), r"got \(14, 3\). Did you mean labels.argmax\(1\)\?"),
        (torch.zeros(13, dtype=torch.int64), r"got \(13,\)\.$"),
        (torch.zeros(14), r"labels must be integer class indices; got torch.float32. Did you mean labels.long"),
        (torch.zeros(14, dtype=torch.bool), r"labels must be integer class indices; got torch.bool"),
        (torch.full((14,), 3), r"labels must lie in \[0, 3\).*got values from 3 to 3"),
        (torch.full((14,), -1), r"labels must lie in \[0, 3\).*got values from -1 to -1"),
    ],
    ids=["column", "one-hot", "too few", "float", "bool", "too high", "negative"],
)
def test_labels_must_be_one_class_index_per_feature(case: Case, labels, message):
    with pytest.raises(ValueError, match=message):
        call(case, labels=labels)


@every_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_labels_of_any_integer_type_mean_the_same(case: Case, dtype):
    batch = make_batch()
    assert call(case, labels=batch["labels"].to(dtype)) == case.value(batch)


@every_loss
def test_an_unknown_reduction_is_named(case: Case):
    with pytest.raises(ValueError, match=r'reduction must be "none", "mean" or "sum"; got \'average\''):
        case.value(make_batch(), reduction="average")


@every_loss
def test_centers_must_be_a_matrix(case: Case):
    with pytest.raises(ValueError, match=r"centers must be floating-point with one row per class, shape \(C, D\); got"):
        call(case, centers=torch.zeros(12))


def test_growth_must_have_one_rate_per_class():
    batch = make_batch()
    with pytest.raises(ValueError, match=r"growth must hold one rate per class, shape \(3,\); got \(4,\)"):
        functional.sigma_squared_r_loss(batch["features"], batch["labels"], batch["centers"], torch.zeros(4))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"neighbors": 0}, r"neighbors must be a whole number of at least 1; got 0"),
        ({"neighbors": 2.5}, r"neighbors must be a whole number of at least 1; got 2.5"),
        ({"neighbors": True}, r"neighbors must be a whole number"),
        ({"ceiling": 0.0}, r"ceiling must be positive and finite; got 0.0"),
        ({"eps": -1.0}, r"eps must be positive and finite; got -1.0"),
        ({"ceiling": float("nan")}, r"ceiling must be positive and finite; got nan"),
        ({"spread": "iqr"}, r'spread must be "distance-std", "std" or "rms"; got \'iqr\''),
        ({"max_per_class": 0}, r"max_per_class must be a whole number of at least 1; got 0"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused_by_function_and_module(setting, message):
    with pytest.raises(ValueError, match=rf"SigmaSquaredRLoss: {message}"):
        SigmaSquaredRLoss(3, 4, **setting)
    batch = make_batch()
    inputs = [batch[key] for key in ("features", "labels", "centers", "growth")]
    with pytest.raises(ValueError, match=rf"sigma_squared_r_loss: {message}"):
        functional.sigma_squared_r_loss(*inputs, **setting)


@pytest.mark.parametrize("module", [CenterLoss, SigmaSquaredRLoss])
def test_a_module_refuses_sizes_and_starts_that_make_no_sense(module):
    name = module.__name__
    with pytest.raises(ValueError, match=rf"{name}: num_classes must be a whole number of at least 1; got 0"):
        module(0, 2)
    with pytest.raises(ValueError, match=rf"{name}: feature_dim must be a whole number of at least 1; got -2"):
        module(3, -2)
    with pytest.raises(ValueError, match=rf"{name}: center_std must be a finite number of at least 0; got -1"):
        module(3, 2, center_std=-1.0)
    with pytest.raises(ValueError, match=rf"{name}: class means must be finite; features hold NaN"):
        module(3, 2).init_centers(torch.full((1, 2), torch.nan), torch.tensor([0]))


def test_values_are_read_on_the_cpu_always_and_elsewhere_only_on_demand():
    elsewhere = torch.zeros(2, device="meta")
    assert values_are_readable(torch.zeros(2))
    assert not values_are_readable(elsewhere)
    with check_values():
        assert values_are_readable(elsewhere)
    assert not values_are_readable(elsewhere)
