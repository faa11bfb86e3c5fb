"""Likely label errors: the formula, and what it does on cases made by hand."""

import math

import pytest
import torch

from sigma2r.audit import class_log_probabilities, label_errors
from tests.reference import audit as reference

N, C, D = 60, 4, 5


@pytest.fixture
def batch(generator):
    """Classes about their centers, with logits that agree, and some labels that are wrong."""
    labels = torch.randint(0, C, (N,), generator=generator)
    centers = 3 * torch.randn(C, D, generator=generator)
    features = centers[labels] + 1.5 * torch.randn(N, D, generator=generator)
    logits = 2 * torch.nn.functional.one_hot(labels, C) + torch.randn(N, C, generator=generator)
    given = labels.clone()
    given[:5] = (given[:5] + 1) % C
    return features, logits, centers, given


@pytest.mark.parametrize("count", [N, 3, 1])  # of few images the penalty decides
def test_log_probabilities_are_those_of_the_reference(batch, count):
    features, logits, centers, given = batch
    logits[-1, given[-1]] = logits[-1].max() + 0.1  # alone, it has a weight below 1, as the penalty wants it
    few = features[-count:], logits[-count:], centers, given[-count:]
    ours = class_log_probabilities(*few)
    theirs = reference.log_probabilities(*(part.tolist() for part in few))
    torch.testing.assert_close(ours, torch.tensor(theirs, dtype=torch.float64), rtol=1e-6, atol=1e-6)


def test_scores_suggestions_and_their_number_are_those_of_the_reference(batch):
    logs = class_log_probabilities(*batch)
    found = label_errors([logs[:25], logs[25:]], [batch[3][:25], batch[3][25:]])
    scores, suggested, count = reference.errors(logs.tolist(), batch[3].tolist())
    assert 0 < count < N
    torch.testing.assert_close(found.score, torch.tensor(scores, dtype=torch.float64))
    assert found.suggested.tolist() == suggested
    assert int(found.likely.sum()) == count
    assert set(found.likely.nonzero().flatten().tolist()) == set(found.score.argsort(descending=True)[:count].tolist())
    torch.testing.assert_close(found.given, logs.exp()[range(N), batch[3]])


def test_wrong_labels_come_first(batch):
    found = label_errors([class_log_probabilities(*batch)], [batch[3]])
    assert set(found.score.argsort(descending=True)[:4].tolist()) <= {0, 1, 2, 3, 4}


def test_the_scale_of_logits_and_features_does_not_count(batch):
    features, logits, centers, labels = batch
    again = class_log_probabilities(7 * features, 0.01 * logits + 3, 7 * centers, labels)
    torch.testing.assert_close(again, class_log_probabilities(*batch), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("what", ["logits", "distances"])
def test_what_contradicts_the_labels_has_no_say(batch, what):
    features, logits, centers, labels = batch
    if what == "logits":
        twisted = class_log_probabilities(features, -logits, centers, labels)
        silent = class_log_probabilities(features, 0 * logits, centers, labels)
    else:
        own = torch.eye(C)
        twisted = class_log_probabilities(-own[labels], logits, own, labels)  # the own center is the farthest
        silent = class_log_probabilities(0 * features, logits, 0 * centers, labels)
    torch.testing.assert_close(twisted, silent)


def test_labels_that_are_all_explained_leave_probabilities_finite():
    labels = torch.arange(3).repeat(4)
    sure = 50.0 * torch.eye(3)[labels]
    logs = class_log_probabilities(sure, sure, 50.0 * torch.eye(3), labels)
    assert logs.isfinite().all()
    assert (label_errors([logs], [labels]).score < 0).all()


def test_equal_evidence_for_all_is_equal_probability():
    labels = torch.tensor([0, 1, 1])
    logs = class_log_probabilities(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(2, 2), labels)
    torch.testing.assert_close(logs, torch.full((3, 2), -math.log(2), dtype=torch.float64))


def test_a_class_that_was_not_trained_is_never_suggested(batch):
    features, logits, centers, labels = batch
    known = torch.tensor([True, False, True, True])
    keep = known[labels]
    logs = class_log_probabilities(features[keep], logits[keep], centers, labels[keep], known)
    assert (logs[:, 1] == -math.inf).all()
    theirs = reference.log_probabilities(
        features[keep].tolist(),
        logits[keep][:, known].tolist(),
        centers[known].tolist(),
        (labels[keep] - (labels[keep] > 1).long()).tolist(),
    )
    torch.testing.assert_close(logs[:, known], torch.tensor(theirs, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    found = label_errors([logs], [labels[keep]])
    assert 1 not in found.suggested.tolist()
    assert found.score.isfinite().all()


def test_an_image_as_sure_as_its_new_class_is_an_error_by_hand():
    # two of class 0 at p = .8, two of class 1 at .9; the fifth is given 0 and looks like 1 at .9: the mean of class 1
    p = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.4, 0.6]], dtype=torch.float64)
    found = label_errors([p.log()], [torch.tensor([0, 0, 1, 1, 0, 0])])
    assert found.likely.tolist() == [False, False, False, False, True, False]  # the sixth is less sure than class 1
    assert float(found.score[4]) == pytest.approx(math.log(9))
    assert float(found.score[0]) == pytest.approx(-math.log(4))


@pytest.mark.message
def test_bad_input_is_one_sentence(batch):
    features, logits, centers, labels = batch
    with pytest.raises(ValueError, match=r"^audit: features must be finite; 1 of 60 rows hold NaN or infinity\.$"):
        class_log_probabilities(features.index_fill(0, torch.tensor(3), math.nan), logits, centers, labels)
    with pytest.raises(ValueError, match=r"^audit: logits must be finite; 2 of 60 rows"):
        class_log_probabilities(features, logits.index_fill(0, torch.tensor([3, 4]), math.inf), centers, labels)
    with pytest.raises(ValueError, match=r"labels must be of classes that the network was trained on; \d+ are not"):
        class_log_probabilities(features, logits, centers, labels, torch.tensor([True, False, True, True]))
