"""What came is recognised before anything is advised: exchanged arguments, arrays, several tensors, soft labels."""

import re

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.nn.functional import one_hot

from sigma2r import CenterLoss, ContrastiveLoss, JointLoss, SigmaSquaredRLoss, functional
from tests.losses.cases import C, Case, D, N, every_class_loss, every_loss, make_batch
from tests.test_arrays import Column

pytestmark = pytest.mark.message  # the annotations' checker, where it is on, speaks before ours

SOFT = torch.full((N, C), 1 / C)


def refused(message: str, who: str):
    return pytest.raises(ValueError, match=rf"^{who}: {message}")


@every_loss
def test_labels_of_every_kind_mean_the_same_as_a_tensor_of_them(case: Case):
    batch = make_batch()
    labels, expected = batch["labels"], case.value(batch)
    module = case.build(C, D).double()
    for form in (labels.tolist(), tuple(labels.tolist()), labels.numpy(), Column(labels.numpy()), list(labels)):
        assert case.value(batch | {"labels": form}) == expected
        assert module(batch["features"], form) == module(batch["features"], labels)
    ignoring = torch.where(torch.arange(N) < 3, -100, labels)
    assert case.value(batch | {"labels": ignoring.numpy()}) == case.value(batch | {"labels": ignoring})


@every_loss
def test_weights_of_every_kind_mean_the_same_as_a_tensor_of_them(case: Case):
    batch, weights = make_batch(), torch.rand(N, dtype=torch.float64)
    for reduction in ("none", "mean", "sum"):
        expected = case.value(batch, weights=weights, reduction=reduction)
        for form in (weights.tolist(), weights.numpy(), Column(weights.numpy())):
            assert torch.equal(case.value(batch, weights=form, reduction=reduction), expected)


@every_loss
@pytest.mark.parametrize(
    "form", [lambda t: t, lambda t: t.numpy(), lambda t: t.tolist()], ids=["tensor", "array", "list"]
)
def test_exchanged_features_and_labels_are_told_with_the_order(case: Case, form):
    batch = make_batch()
    message = r"features and labels are exchanged, .* \(14,\) and \(14, 4\)\. The order is loss\(features, labels\)\.$"
    with refused(message, case.function.__name__):
        case.value(batch | {"features": form(batch["labels"]), "labels": form(batch["features"])})
    with refused(message, case.function.__name__):
        case.build(C, D)(form(batch["labels"]), form(batch["features"]))


@every_class_loss
def test_exchanged_centers_are_told_with_the_order(case: Case):
    batch = make_batch()
    for one, other in (("labels", "centers"), ("features", "centers"), ("features", "labels")):
        message = rf"{one} and {other} are exchanged, .* The order is loss\(features, labels"
        with refused(message, case.function.__name__):
            case.value(batch | {one: batch[other], other: batch[one]})
    turned = {"features": batch["labels"], "labels": batch["centers"], "centers": batch["features"]}
    with refused(r"features, labels and centers are exchanged", case.function.__name__):
        case.value(batch | turned)


def test_exchanged_centers_and_growth_are_told_with_the_order():
    batch = make_batch()
    inputs = batch["features"], batch["labels"], batch["growth"], batch["centers"]
    for function in (functional.sigma_squared_r_loss, functional.sigma_squared_r_gate):
        with refused(
            r"centers and growth are exchanged, .* loss\(features, labels, centers, growth\)\.$", function.__name__
        ):
            function(*inputs)


def test_what_a_module_has_learned_is_never_said_to_be_exchanged():
    """Labels for each class instead of each row: for a function the centers might be meant as features."""
    batch = make_batch(dtype=torch.float32)
    with refused(r"labels must hold one class index per row of features, shape \(14,\); got \(3,\)\.$", "center_loss"):
        CenterLoss(C, D)(batch["features"], torch.arange(C))


@every_loss
@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((N, D)), r"features must be a tensor; got a numpy\.ndarray of shape \(14, 4\) and float64\. "
                           r"No gradient runs through that; for the value alone give torch\.tensor\(features\)\.$"),
        (Column(np.zeros((N, D))), r"features must be a tensor; .* give torch\.tensor\(features\.to_numpy\(\)\)\.$"),
        ([[0.0] * D] * N, r"features must be a tensor; got a list of 14 lists\. .* give torch\.tensor\(features\)\.$"),
        ((torch.zeros(N, D), torch.zeros(N, C)), r"features must be a tensor; got a tuple of 2 torch\.Tensors of "
            r"shapes \(14, 4\) and \(14, 3\)\. Does the network return several\? Then features, logits = network\("),
        ({"a": torch.zeros(N, D)}, r"features must be a tensor; got a dict .* such as features\['a'\]\.$"),
        (None, r"features must be a tensor; got None\.$"),
        ("features", r"features must be a tensor; got 'features'\.$"),
        (torch.zeros(N, D, dtype=torch.complex64), r"features must be floating-point; got torch\.complex64\.$"),
        (torch.zeros(D), r"features must be a matrix .* got shape \(4,\)\. For one sample features\.unsqueeze\(0\), "
                         r"for one dimension features\.unsqueeze\(1\)\.$"),
        (torch.tensor(1.0), r"features must be a matrix .* got shape \(\)\.$"),
    ],
    ids=["array", "column", "list", "tuple", "dict", "None", "text", "complex", "vector", "number"],
)  # fmt: skip
def test_features_that_are_no_tensor_or_no_matrix_get_advice_that_fits(case: Case, features, message):
    with refused(message, case.function.__name__):
        case.value(make_batch() | {"features": features})
    with refused(message, case.function.__name__):
        case.build(C, D)(features, make_batch()["labels"])


@every_class_loss
@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            torch.zeros(N, C),
            r".* got shape \(14, 3\)\. Are these the logits\? Else build the loss with feature_dim=3\?$",
        ),
        (torch.zeros(N, 5), r".* got shape \(14, 5\)\. Build the loss with feature_dim=5\?$"),
        (torch.zeros(N, D, 5, 6), r".* Did you mean features\.flatten\(2\)\.mean\(2\)\?$"),
        (torch.zeros(N, 9, D), r".* Did you mean features\.mean\(1\)\?$"),
        (torch.zeros(N, D, 1, 1), r".* Did you mean features\.flatten\(1\)\?$"),
        (torch.zeros(N, 7, 7), r".* Did you mean features\.flatten\(1\)\?$"),
    ],
    ids=["logits", "other", "maps", "tokens", "pooled maps", "unknown"],
)
def test_features_of_another_shape_get_advice_that_leads_to_the_dimension_of_the_centers(case: Case, features, message):
    with refused(f"features must {message}", case.function.__name__):
        case.value(make_batch() | {"features": features})
    if meant := re.search(r"mean (features\S*)\?", message.replace("\\", "")):
        assert eval(meant[1], {"features": features}).ndim == 2


@every_loss
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(N, 1), r".* got \(14, 1\)\. Did you mean labels\.squeeze\(1\)\.long\(\)\?$"),
        (torch.zeros(1, N, dtype=torch.int64), r".* got \(1, 14\)\. Did you mean labels\.flatten\(\)\?$"),
        (torch.zeros(N, 1, 1, dtype=torch.int64), r".* got \(14, 1, 1\)\. Did you mean labels\.flatten\(\)\?$"),
        (np.zeros((N, 1), dtype=int), r".* got \(14, 1\)\. Did you mean torch\.tensor\(labels\)\.squeeze\(1\)\?$"),
        (Column(np.zeros((N, 1), dtype=int)), r".* mean torch\.tensor\(labels\.to_numpy\(\)\)\.squeeze\(1\)\?$"),
        (one_hot(torch.arange(N) % C).bool(), r".* got \(14, 3\)\. Did you mean labels\.int\(\)\.argmax\(1\)\?$"),
        (one_hot(torch.arange(N) % C).tolist(), r".* Did you mean torch\.tensor\(labels\)\.argmax\(1\)\?$"),
        ([0.0] * N, r".*integer class indices; got torch\.float64\. Did you mean torch\.tensor\(labels\)\.long\(\)\?$"),
        (torch.full((N,), torch.nan), r".*class indices; got torch\.float32\. Some are missing \(NaN\): leave "),
        (torch.full((N,), 0.5), r".*class indices; got torch\.float32\. They are no whole numbers: are they shares"),
        (torch.zeros(N, dtype=torch.complex64), r".*integer class indices; got torch\.complex64\.$"),
        (None, r".*; got None\.$"),
        (["cat"] * N, r"be numbers, not texts; got a list of 14 texts\. Number the classes first"),
        (torch.zeros(N, 2, 2), r".*; got \(14, 2, 2\)\.$"),
    ],
    ids=["float column", "row", "maps", "array", "table", "bool", "list", "floats", "NaN", "shares", "complex", "None",
         "texts", "other"],
)  # fmt: skip
def test_labels_of_another_kind_get_advice_that_fits_what_they_are(case: Case, labels, message):
    with refused(f"labels must {message}", case.function.__name__):
        case.value(make_batch() | {"labels": labels})


@every_loss
def test_soft_labels_are_recognised_and_not_thrown_away(case: Case):
    message = (
        r"labels must hold one class index .* got \(14, 3\)\. .* \(soft labels\), .* JointLoss takes shares, as targets"
    )
    for soft in (SOFT, SOFT.double(), SOFT.half(), SOFT.numpy(), SOFT.tolist()):
        with refused(message, case.function.__name__) as told:
            case.value(make_batch() | {"labels": soft})
        assert "argmax" not in str(told.value)


@every_class_loss
@pytest.mark.parametrize("labels", [torch.zeros(N, 5), torch.zeros(N, 5, dtype=torch.int64)], ids=["float", "integer"])
def test_as_many_columns_as_no_classes_get_no_advice(case: Case, labels):
    with refused(r"labels must hold .* got \(14, 5\)\.$", case.function.__name__):
        case.value(make_batch() | {"labels": labels})


@every_class_loss
def test_labels_below_zero_are_not_said_to_start_at_one(case: Case):
    labels = torch.arange(N) % C - 1
    with refused(
        r"labels must lie in \[0, 3\).* Rows that have no class are labelled ignore_index=-100\.$",
        case.function.__name__,
    ):
        case.value(make_batch() | {"labels": labels})


@every_class_loss
def test_centers_that_are_no_tensor_are_told_by_what_they_are(case: Case):
    for centers in (None, np.zeros((C, D)), [[0.0] * D] * C, "centers"):
        with refused(r"centers must be a tensor; got ", case.function.__name__):
            case.value(make_batch() | {"centers": centers})


def test_growth_that_is_no_tensor_is_told_by_what_it_is():
    batch = make_batch()
    for growth in (None, [0.0] * C, 1.0):
        with refused(r"growth must be a tensor; got ", "sigma_squared_r_loss"):
            functional.sigma_squared_r_loss(batch["features"], batch["labels"], batch["centers"], growth)


@every_class_loss
def test_weights_of_classes_are_told_from_weights_of_samples(case: Case):
    with refused(
        r"weights must hold one number per row .* Weights of classes\? Then weights\[labels\]\.$",
        case.function.__name__,
    ):
        case.value(make_batch(), weights=torch.ones(C))
    with refused(r"weights must be a tensor, an array, or a list .*; got 0\.5\.$", case.function.__name__):
        case.value(make_batch(), weights=0.5)


def test_class_means_are_taken_of_arrays_too():
    batch = make_batch(dtype=torch.float32)
    features, labels = batch["features"], batch["labels"]
    expected = SigmaSquaredRLoss(C, D)
    expected.init_centers(features, labels)
    for f, y in (
        (features.numpy(), labels.numpy()),
        (features.tolist(), labels.tolist()),
        (Column(features), Column(labels)),
    ):
        loss = SigmaSquaredRLoss(C, D)
        loss.init_centers(f, y)
        torch.testing.assert_close(loss.centers, expected.centers)
    with refused(r"features and labels are exchanged", "SigmaSquaredRLoss"):
        expected.init_centers(labels, features)
    with refused(r"features must be a tensor, .* Does the network return several\?", "SigmaSquaredRLoss"):
        expected.init_centers((features, SOFT), labels)
    with refused(
        r"features must be a matrix .* Did you mean torch\.tensor\(features\)\.flatten\(1\)\?$", "SigmaSquaredRLoss"
    ):
        expected.init_centers(np.zeros((N, 2, 2)), labels)


@every_loss
def test_no_check_looks_at_the_values_of_a_device(case: Case):
    """Fake tensors have none: whoever looks fails."""
    module, real = case.build(C, D), make_batch(dtype=torch.float32)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        batch = {name: mode.from_tensor(tensor).to("cuda") for name, tensor in real.items()}
        joint = JointLoss(module.to("cuda"), 0.1)
        weights, logits, soft = (torch.ones(*shape, device="cuda") for shape in ((N,), (N, C), (N, C)))
        assert case.value(batch, weights=weights, normalize=True).device.type == "cuda"
        for targets in (None, soft, batch["labels"]):
            value = joint(batch["features"], logits, batch["labels"], targets=targets, weights=weights)
            assert value.device.type == "cuda"
        who = case.function.__name__
        with refused(r"labels must be integer class indices; .* Did you mean labels\.long\(\)\?$", who):
            case.value(batch | {"labels": weights})
        with refused(r"labels must hold .*soft labels", who):
            case.value(batch | {"labels": soft})
        with refused(r"features and labels are exchanged", who):
            case.value(batch | {"features": batch["labels"], "labels": batch["features"]})


@pytest.mark.message
@pytest.mark.parametrize("number", [2, 3, 7])
@pytest.mark.parametrize("kind", [list, tuple])
def test_tensors_of_single_samples_are_put_together_not_taken_for_outputs(number, kind):
    rows, ones = kind(torch.randn(number, 4)), kind(torch.arange(number).split(1))
    labels, features = torch.arange(number) % 3, torch.randn(number, 4)
    for loss in (CenterLoss(3, 4), JointLoss(CenterLoss(3, 4), 0.1)):
        joint = isinstance(loss, JointLoss)
        logits = (torch.randn(number, 3),) * joint
        with pytest.raises(
            ValueError, match=r"^\w+: features must .* One for each sample\? Then torch\.stack\(features\)\.$"
        ):
            loss(rows, *logits, labels)
        with pytest.raises(
            ValueError, match=r"^\w+: labels must .* One for each sample\? Then torch\.cat\(labels\)\.$"
        ):
            loss(features, *logits, ones)
        with pytest.raises(ValueError, match=r"torch\.stack\(labels\)\.$"):
            loss(features, *logits, kind(torch.zeros(number, 3)))
        assert loss(features, *logits, kind(labels)).isfinite()  # a list of numbers, each a tensor
    with pytest.raises(ValueError, match=r"Does the network return several"):
        CenterLoss(3, 4)(kind(torch.randn(number, 5, 4)), labels)


@pytest.mark.message
@pytest.mark.parametrize("value", [2**63, 2**64 - 1, 2**64 - 100])
@pytest.mark.parametrize("turned", [lambda array: array, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize(
    "loss", [CenterLoss(3, 4, ignore_index=-1), ContrastiveLoss(), JointLoss(CenterLoss(3, 4), 0.1)]
)
def test_labels_that_fit_into_no_int64_are_refused_not_turned_around(value, turned, loss):
    logits = (torch.randn(3, 3),) * isinstance(loss, JointLoss)
    labels = np.array([0, value, 2], dtype=np.uint64)
    with pytest.raises(ValueError, match=r"labels must be class indices of at most 9223372036854775807; got .*uint64"):
        loss(torch.randn(3, 4), *logits, turned(labels))
    labels[1] = 1
    assert loss(torch.randn(3, 4), *logits, turned(labels)).isfinite()
    assert ContrastiveLoss()(torch.randn(0, 4), labels[:0]) == 0
