"""Bad input to losses: who says it, the rule, what came, the remedy."""

import math
import re

import pytest
import torch

from sigma2r import (
    CenterLoss,
    ContrastiveCenterLoss,
    ContrastiveLoss,
    GitLoss,
    JointLoss,
    NearestNegativeTripletLoss,
    SigmaSquaredRLoss,
    SoftNearestNeighborLoss,
    TripletCenterLoss,
    check_values,
    functional,
)
from sigma2r.losses._checks import values_are_readable
from sigma2r.metrics import intra_class_spread
from tests.losses.cases import Case, D, N, every_class_loss, every_loss, make_batch

pytestmark = pytest.mark.message  # the annotations' checker, where it is on, speaks before ours

modules = pytest.mark.parametrize("module", [CenterLoss, SigmaSquaredRLoss])
INPUTS = ("features", "labels", "centers", "growth")


def refusal(message: str, who: str):
    """Expect a ValueError that begins with who says it and goes on as ``message``, a pattern, says."""
    return pytest.raises(ValueError, match=rf"^{re.escape(who)}: {message}")


@every_loss
@pytest.mark.parametrize(
    ("features", "message"),
    [
        (torch.zeros(N, 2, 2), r"features must be a matrix .* \(N, D\); got shape \(14, 2, 2\)\. .*flatten\(1\)\?$"),
        (torch.zeros(N), r"features must be a matrix .* shape \(N, D\); got shape \(14,\)"),
        (torch.zeros(N, D, dtype=torch.int64), r"features must be floating-point; got torch\.int64\. .*\.float\(\)\?$"),
    ],
    ids=["maps", "vector", "integers"],
)  # fmt: skip
def test_features_must_be_a_floating_point_matrix(case: Case, features, message):
    with refusal(message, case.function.__name__):
        case.value(make_batch() | {"features": features})
    with refusal(message, case.function.__name__):
        case.build(3, 4)(features, make_batch()["labels"])


@every_class_loss
def test_features_must_have_the_dimension_of_the_centers(case: Case):
    message = r"features must have the 4 dimensions of .* got shape \(14, 5\)\. .*feature_dim=5\?$"
    with refusal(message, case.function.__name__):
        case.value(make_batch() | {"features": torch.zeros(N, 5)})
    with refusal(message, case.function.__name__):
        case.build(3, 4)(torch.zeros(N, 5), make_batch()["labels"])


@every_loss
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(N, 1, dtype=torch.int64), r".*shape \(14,\); got \(14, 1\)\. Did you mean labels\.squeeze\(1\)"),
        (torch.eye(3).long()[torch.arange(N) % 3], r".*got \(14, 3\)\. Did you mean labels\.argmax\(1\)\?$"),
        (torch.zeros(N - 1, dtype=torch.int64), r".*shape \(14,\); got \(13,\)\.$"),
        (torch.tensor(0), r".*shape \(14,\); got \(\)\.$"),
        (torch.zeros(N), r".*integer class indices; got torch\.float32\. Did you mean labels\.long\(\)\?$"),
        (torch.zeros(N, dtype=torch.bool), r".*integer class indices; got torch\.bool"),
    ],
    ids=["column", "one-hot", "too few", "scalar", "float", "bool"],
)  # fmt: skip
def test_labels_must_be_one_class_index_per_feature(case: Case, labels, message):
    with refusal("labels must " + message, case.function.__name__):
        case.value(make_batch() | {"labels": labels})


@every_class_loss
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.arange(N) % 4, r"labels must lie in \[0, 3\).* 3 classes; got values from 0 to 3\. Do they start at 1"),
        (torch.arange(N) % 3 - 1, r"labels must lie in \[0, 3\).* got values from -1 to 1\."),
        (torch.where(torch.arange(N) < 2, -100, 3), r"labels must lie in \[0, 3\).* got values from 3 to 3\."),
    ],
    ids=["too high", "negative", "too high beside ignored ones"],
)
def test_labels_must_be_those_of_classes(case: Case, labels, message):
    with refusal(message, case.function.__name__):
        case.value(make_batch() | {"labels": labels})


@every_loss
@pytest.mark.parametrize(
    "weights", [torch.ones(N, 1), torch.ones(N - 1), torch.ones(N, dtype=torch.bool)], ids=["column", "few", "bool"]
)
def test_weights_must_be_one_number_per_feature(case: Case, weights):
    got = rf"got shape {re.escape(str(tuple(weights.shape)))} and {weights.dtype}\.$"
    with refusal(rf"weights must hold one number per row of features, shape \(14,\); {got}", case.function.__name__):
        case.value(make_batch(), weights=weights)


@every_loss
@pytest.mark.parametrize(
    ("odd", "got"),
    [
        (-1.0, "values from -1 to 1"),
        (-1e-3, "values from -0.001 to 1"),
        (math.nan, "NaN or infinite values"),
        (math.inf, "NaN or infinite values"),
        (-math.inf, "NaN or infinite values"),
    ],
)
def test_weights_must_be_finite_and_at_least_zero(case: Case, odd, got):
    batch, weights = make_batch(), torch.where(torch.arange(N) == 3, odd, 1.0)
    for given in (weights, weights.double().requires_grad_(), weights.bfloat16(), weights.tolist(), weights.numpy()):
        pattern = re.escape(got) if getattr(given, "dtype", None) != torch.bfloat16 else ".*"
        with refusal(rf"weights must be finite and at least 0; got {pattern}\. A row", case.function.__name__):
            case.value(batch, weights=given)
    logits = torch.zeros(N, 3)
    with refusal("weights must be finite and at least 0", "JointLoss"):
        JointLoss(Foreign(), 0.1)(batch["features"], logits, batch["labels"], weights=weights)


def test_weights_of_whole_numbers_and_none_at_all_are_weights():
    batch = make_batch()
    loss = CenterLoss(3, D)
    assert loss(batch["features"].float(), batch["labels"], weights=torch.arange(N)) > 0
    with refusal("weights must be finite and at least 0; got values from -1 to 12", "center_loss"):
        loss(batch["features"].float(), batch["labels"], weights=torch.arange(N) - 1)
    assert loss(batch["features"][:0].float(), batch["labels"][:0], weights=torch.zeros(0)) == 0


class Foreign(torch.nn.Module):
    """A loss of another library."""

    def forward(self, features, labels, weights=None):
        return features.sum()


UNUSUAL = {
    "COO": (torch.Tensor.to_sparse, r"torch\.sparse_coo\. Did you mean {}\.to_dense\(\)\?$"),
    "CSR": (torch.Tensor.to_sparse_csr, r"torch\.sparse_csr\. Did you mean {}\.to_dense\(\)\?$"),
    "mkldnn": (lambda x: x.float().to_mkldnn(), r"torch\._mkldnn\. Did you mean {}\.to_dense\(\)\?$"),
    "nested": (
        lambda x: torch.nested.nested_tensor(list(x), layout=torch.jagged),
        r"a nested one\. Its parts in one: torch\.cat\({}\.unbind\(\)\)\.$",
    ),
}
unusual = pytest.mark.parametrize(("made", "got"), UNUSUAL.values(), ids=UNUSUAL)


@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
@every_loss
@unusual
def test_features_must_be_dense(case: Case, made, got):
    batch = make_batch()
    with refusal(f"features must be a dense tensor; got {got.format('features')}", case.function.__name__):
        case.value(batch | {"features": made(batch["features"])})


@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
@unusual
def test_whatever_else_is_given_must_be_dense(made, got):
    batch = make_batch()
    features, labels, matrix = batch["features"], batch["labels"], torch.ones(N, 3, dtype=torch.float64)
    with refusal(f"logits must be a dense tensor; got {got.format('logits')}", "JointLoss"):
        JointLoss(Foreign(), 0.1)(features, made(matrix), labels)
    with refusal(f"centers must be a dense tensor; got {got.format('centers')}", "center_loss"):
        functional.center_loss(features, labels, made(torch.zeros(3, D)))
    with refusal("features must be a dense tensor", "class_statistics"):
        intra_class_spread(made(features), labels, num_classes=3)
    if "coo" in got:
        with refusal("labels must be a dense tensor", "center_loss"):
            functional.center_loss(features, labels.to_sparse(), torch.zeros(3, D))
        with refusal("weights must be a dense tensor", "center_loss"):
            functional.center_loss(features, labels, torch.zeros(3, D), weights=torch.ones(N).to_sparse())


@every_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32], ids=str)
def test_labels_of_any_integer_type_mean_the_same(case: Case, dtype):
    batch = make_batch()
    assert case.value(batch | {"labels": batch["labels"].to(dtype)}) == case.value(batch)


@every_loss
def test_an_unknown_reduction_is_refused_by_function_and_module(case: Case):
    message = r'reduction must be "none", "mean" or "sum"; got \'average\'\.$'
    with refusal(message, case.function.__name__):
        case.value(make_batch(), reduction="average")
    with refusal(message, case.module.__name__):
        case.build(3, 4, reduction="average")


@every_class_loss
@pytest.mark.parametrize("centers", [torch.zeros(12), torch.zeros(3, 4, dtype=torch.int64)], ids=["flat", "integers"])
def test_centers_must_be_a_floating_point_matrix(case: Case, centers):
    got = rf"got shape {re.escape(str(tuple(centers.shape)))} and {centers.dtype}\.$"
    with refusal(
        rf"centers must be floating-point with one row per class, shape \(C, D\); {got}", case.function.__name__
    ):
        case.value(make_batch() | {"centers": centers})


def test_growth_must_have_one_rate_per_class():
    batch = make_batch()
    inputs = [batch["features"], batch["labels"], batch["centers"]]
    for function in (functional.sigma_squared_r_loss, functional.sigma_squared_r_gate):
        for growth in (torch.zeros(4), torch.zeros(3, 1)):
            got = re.escape(str(tuple(growth.shape)))
            with refusal(rf"growth must hold one rate per class, shape \(3,\); got {got}\.$", function.__name__):
                function(*inputs, growth)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"neighbors": 0}, r"neighbors must be a whole number of at least 1; got 0\.$"),
        ({"neighbors": -7}, r"neighbors must be a whole number of at least 1; got -7\.$"),
        ({"neighbors": 2.5}, r"neighbors must be a whole number of at least 1; got 2\.5\.$"),
        ({"neighbors": "7"}, r"neighbors must be a whole number of at least 1; got '7'\.$"),
        ({"neighbors": True}, r"neighbors must be a whole number of at least 1; got True\.$"),
        ({"neighbors": math.inf}, r"neighbors must be a whole number of at least 1; got inf\.$"),
        ({"neighbors": math.nan}, r"neighbors must be a whole number of at least 1; got nan\.$"),
        ({"ceiling": 0.0}, r"ceiling must be positive and finite; got 0\.0\.$"),
        ({"ceiling": math.nan}, r"ceiling must be positive and finite; got nan\.$"),
        ({"ceiling": math.inf}, r"ceiling must be positive and finite; got inf\.$"),
        ({"eps": -1.0}, r"eps must be positive and finite; got -1\.0\.$"),
        ({"eps": 0.0}, r"eps must be positive and finite; got 0\.0\.$"),
        ({"spread": "iqr"}, r'spread must be "distance-std", "std" or "rms"; got \'iqr\'\.$'),
        ({"max_per_class": 0}, r"max_per_class must be a whole number of at least 1; got 0\.$"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused_by_functions_and_module(setting, message):
    with refusal(message, "SigmaSquaredRLoss"):
        SigmaSquaredRLoss(3, 4, **setting)
    batch = make_batch()
    for function in (functional.sigma_squared_r_loss, functional.sigma_squared_r_gate):
        with refusal(message, function.__name__):
            function(*(batch[name] for name in INPUTS), **setting)


@modules
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, r"num_classes must be a whole number of at least 1; got 0\.$"),
        ({"feature_dim": -2}, r"feature_dim must be a whole number of at least 1; got -2\.$"),
        ({"center_std": -1.0}, r"center_std must be a finite number of at least 0; got -1\.0\.$"),
        ({"center_std": math.nan}, r"center_std must be a finite number of at least 0; got nan\.$"),
    ],
    ids=str,
)
def test_a_module_refuses_sizes_and_starts_that_make_no_sense(module, arguments, message):
    with refusal(message, module.__name__):
        module(**{"num_classes": 3, "feature_dim": 2, **arguments})


@modules
@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (torch.zeros(2, 3), torch.tensor([0, 1]), r"features must have the 2 dimensions of the centers"),
        (torch.zeros(2, 2), torch.tensor([0, 3]), r"labels must lie in \[0, 3\)"),
        (torch.full((1, 2), math.nan), torch.tensor([0]), r"class means must be finite; features hold NaN or infinite"),
        (torch.full((1, 2), math.inf), torch.tensor([2]), r"class means must be finite; features hold NaN or infinite"),
    ],
    ids=["another dimension", "no such class", "NaN", "infinite"],
)
def test_class_means_are_refused_where_they_cannot_be_taken_and_centers_stay(module, features, labels, message):
    loss = module(3, 2)
    before = loss.centers.detach().clone()
    with refusal(message, module.__name__):
        loss.init_centers(features, labels)
    assert torch.equal(loss.centers.detach(), before)


def test_a_class_larger_than_promised_is_refused_where_it_can_be_counted():
    batch = make_batch([2, 0, 2, 2, 1], num_classes=3)
    inputs = [batch[name] for name in INPUTS]
    message = r"no class may have more than max_per_class=2 samples in a batch; class 2 has 3\. Give max_per_class=3"
    with refusal(message, "sigma_squared_r_loss"):
        functional.sigma_squared_r_loss(*inputs, max_per_class=2)
    with refusal(message.replace("class 2", "class 90"), "sigma_squared_r_gate"):
        more = make_batch([90, 0, 90, 90, 1], num_classes=100)
        functional.sigma_squared_r_gate(*(more[name] for name in INPUTS), max_per_class=2)
    with refusal(message, "sigma_squared_r_loss"):  # rows that are ignored are many, and of no class
        ignored = make_batch([2, 2, 2, *[-100] * 9], num_classes=3)
        functional.sigma_squared_r_loss(*(ignored[name] for name in INPUTS), max_per_class=2)
    assert functional.sigma_squared_r_loss(*inputs, max_per_class=3) == functional.sigma_squared_r_loss(*inputs)


def test_values_are_read_on_the_cpu_always_and_elsewhere_only_on_demand():
    elsewhere = torch.zeros(2, device="meta")
    assert values_are_readable(torch.zeros(2))
    assert not values_are_readable(elsewhere)
    with check_values():
        assert values_are_readable(elsewhere)
        with check_values():
            pass
        assert values_are_readable(elsewhere)
    assert not values_are_readable(elsewhere)
    with pytest.raises(RuntimeError, match="from within"), check_values():
        raise RuntimeError("from within")
    assert not values_are_readable(elsewhere)


@pytest.mark.parametrize(
    ("make", "who", "message"),
    [
        (lambda: CenterLoss(3, 2, alpha=0.0), "CenterLoss", r"alpha must lie in \(0, 1\]; got 0\.0\.$"),
        (
            lambda: CenterLoss(3, 2, center_update="ema"),
            "CenterLoss",
            r"center_update must be \"gradient\" or \"average\"; got 'ema'\.$",
        ),
        (
            lambda: CenterLoss(3, 2, compat="keras"),
            "CenterLoss",
            r"compat must be None, \"caffe\", .* or \"facenet\"; got 'keras'\.$",
        ),
        (
            lambda: GitLoss(3, 2, center_weight=-1.0, push_weight=1.0),
            "GitLoss",
            r"center_weight must be a finite number of at least 0; got -1\.0\.$",
        ),
        (
            lambda: GitLoss(3, 2, center_weight=1.0, push_weight=1.0, negatives="none"),
            "GitLoss",
            r"negatives must be \"all\" or \"other-class\"; got 'none'\.$",
        ),
        (
            lambda: ContrastiveCenterLoss(3, 2, delta=0.0),
            "ContrastiveCenterLoss",
            r"delta must be positive and finite; got 0\.0\.$",
        ),
        (
            lambda: TripletCenterLoss(3, 2, margin=-1.0),
            "TripletCenterLoss",
            r"margin must be a finite number of at least 0; got -1\.0\.$",
        ),
        (
            lambda: NearestNegativeTripletLoss(margin=math.nan),
            "NearestNegativeTripletLoss",
            r"margin must be a finite number of at least 0; got nan\.$",
        ),
        (
            lambda: ContrastiveLoss(margin=-0.5),
            "ContrastiveLoss",
            r"margin must be a finite number of at least 0; got -0\.5\.$",
        ),
        (
            lambda: SoftNearestNeighborLoss(temperature=0.0),
            "SoftNearestNeighborLoss",
            r"temperature must be positive and finite; got 0\.0\.$",
        ),
        (
            lambda: CenterLoss(3, 2).remove_classes([3]),
            "CenterLoss",
            r"classes must lie in \[0, 3\), and one must stay; got \[3\]\.$",
        ),
        (
            lambda: CenterLoss(2, 2).remove_classes([0, 1]),
            "CenterLoss",
            r"classes must lie in \[0, 2\), and one must stay; got \[0, 1\]\.$",
        ),
        (lambda: CenterLoss(2, 2).add_classes(0), "CenterLoss", r"count must be a whole number of at least 1; got 0"),
    ],
)
def test_what_a_loss_cannot_do_is_refused(make, who, message):
    with refusal(message, who):
        make()
