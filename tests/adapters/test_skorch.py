"""skorch, run for real, and scikit-learn around it."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochScoring

from sigma2r import BalancedBatchSampler
from sigma2r.adapters.skorch import CompactNetClassifier
from tests.adapters import plain
from tests.pages import run_page

IMAGES, LABELS = plain.IMAGES.numpy(), plain.LABELS.numpy()


def net(**changes):
    told = {"loss_lr": plain.LOSS_LR, "optimizer": torch.optim.AdamW, "optimizer__weight_decay": plain.DECAY,
            "lr": plain.LR, "max_epochs": 3, "iterator_train__batch_sampler": plain.sampler(), "train_split": None,
            "verbose": 0}  # fmt: skip
    return CompactNetClassifier(changes.pop("module", plain.model), **{**told, **changes})


def last(states):
    *_, state = states
    return state


def test_network_centers_and_growth_move_as_in_a_plain_loop():
    ours = net().fit(IMAGES, LABELS)
    plain.assert_same(plain.state(ours.module_), last(plain.plain_loop(3)))
    groups = [(group["lr"], group["weight_decay"]) for group in ours.optimizer_.param_groups]
    assert groups == [(plain.LR, plain.DECAY), *[(plain.LOSS_LR, 0.0)] * 3]


def test_going_on_from_what_was_saved_is_going_on_without(tmp_path):
    files = {f"f_{what}": tmp_path / what for what in ("params", "optimizer", "history")}
    net(max_epochs=2).fit(IMAGES, LABELS).save_params(**files)
    resumed = net(module=lambda: plain.model(seed=5)).initialize()
    resumed.load_params(**files)
    resumed.fit_loop(IMAGES, LABELS, epochs=1)
    plain.assert_same(plain.state(resumed.module_), last(plain.plain_loop(3)))


def test_a_part_is_set_aside_and_batches_are_balanced_over_the_rest():
    balanced = partial(BalancedBatchSampler, batch_size=12, seed=0)
    ours = CompactNetClassifier(plain.model, lr=0.05, optimizer=torch.optim.Adam, max_epochs=6, verbose=0,
                                iterator_train__batch_sampler=balanced)  # fmt: skip
    ours.fit(IMAGES, LABELS)
    assert ours.batch_sampler_.state_dict()["samples"] == 48
    assert ours.history[-1]["valid_loss"] < ours.history[0]["valid_loss"]
    assert ours.history[-1]["valid_acc"] > 0.8
    shares = ours.predict_proba(IMAGES)
    ours.module_.eval()
    with torch.no_grad():
        np.testing.assert_allclose(shares, ours.module_(plain.IMAGES).softmax(1).numpy(), rtol=1e-5)
    assert ours.score(IMAGES, LABELS) > 0.8


def test_batches_of_its_own_and_options_of_the_network_stay():
    ours = net(iterator_train__batch_sampler=None, batch_size=20, max_epochs=1,
               optimizer__param_groups=[("head.*", {"lr": 0.5})])  # fmt: skip
    ours.fit(IMAGES, LABELS)
    assert [group["lr"] for group in ours.optimizer_.param_groups] == [0.5, plain.LR, *[plain.LOSS_LR] * 3]
    assert ours.history[-1, "batches", 0]["train_batch_size"] == 20


def test_it_is_cloned_and_searched_over_as_any_classifier():
    balanced = partial(BalancedBatchSampler, batch_size=12, seed=0)
    ours = net(iterator_train__batch_sampler=balanced, max_epochs=1)
    assert clone(ours).get_params()["loss_lr"] == plain.LOSS_LR
    search = GridSearchCV(ours, {"loss_lr": [0.01, 0.1]}, cv=2, refit=False, error_score="raise")
    search.fit(IMAGES, LABELS)
    assert len(set(search.cv_results_["mean_test_score"])) >= 1
    assert ours.set_params(loss_lr=0.3).initialize().optimizer_.param_groups[-1]["lr"] == 0.3


def test_what_is_set_while_it_trains_is_the_networks_or_the_losses():
    ours = net().fit(IMAGES, LABELS)

    def told():
        return [(group["lr"], group["weight_decay"]) for group in ours.optimizer_.param_groups]

    for changes, expected in [
        ({"lr": 0.5}, [(0.5, plain.DECAY), *[(plain.LOSS_LR, 0.0)] * 3]),
        ({"optimizer__weight_decay": 0.7}, [(0.5, 0.7), *[(plain.LOSS_LR, 0.0)] * 3]),
        ({"loss_lr": 0.3, "optimizer__lr": 0.2}, [(0.2, 0.7), *[(0.3, 0.0)] * 3]),
        ({"max_epochs": 1}, [(0.2, 0.7), *[(0.3, 0.0)] * 3]),
        ({"optimizer__param_groups__3__lr": 0.9}, [(0.2, 0.7), *[(0.3, 0.0)] * 2, (0.9, 0.0)]),
    ]:
        ours.set_params(**changes)
        assert told() == expected
    ours.partial_fit(IMAGES, LABELS)
    assert told()[1] == (0.3, 0.0)
    with pytest.raises(ValueError, match=r"^CompactNetClassifier: loss_lr must be a finite number of at least 0"):
        ours.set_params(loss_lr=-1.0)


def test_a_pickle_goes_on_as_the_one_that_was_pickled():
    ours = net(max_epochs=1).fit(IMAGES, LABELS)
    for other in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        np.testing.assert_array_equal(other.predict_proba(IMAGES), ours.predict_proba(IMAGES))
        assert len(other.optimizer_.param_groups) == 4
    other.partial_fit(IMAGES, LABELS)
    ours.partial_fit(IMAGES, LABELS)
    for name, value in plain.state(ours.module_).items():
        assert torch.equal(value, plain.state(other.module_)[name])


NAMES = np.array(["cat", "dog", "owl"])


FROM_1, REAL = np.array([1, 2, 3]), np.array([-1.0, 0.0, 2.0])


@pytest.mark.parametrize("names", [NAMES, NAMES.astype(object), FROM_1, REAL], ids=str)
def test_labels_of_any_kind_are_numbered_and_given_back(names):
    balanced = partial(BalancedBatchSampler, batch_size=12, seed=3)
    told = {"train_split": None, "iterator_train__batch_sampler": balanced}
    ours, plainly = net(**told).fit(IMAGES, names[LABELS]), net(**told).fit(IMAGES, LABELS)
    np.testing.assert_array_equal(ours.predict(IMAGES), names[plainly.predict(IMAGES)])
    np.testing.assert_array_equal(ours.predict_proba(IMAGES), plainly.predict_proba(IMAGES))
    np.testing.assert_array_equal(ours.classes_, names)
    assert ours.score(IMAGES, names[LABELS]) == plainly.score(IMAGES, LABELS) > 0.5
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ours)).predict(IMAGES), ours.predict(IMAGES))
    few = LABELS < 2
    ours.partial_fit(IMAGES[few], names[LABELS[few]])
    assert len(ours.classes_) == 3


def sees_indices(of, images, labels):
    return float(set(of.classes_) == set(np.unique(labels)) == {0, 1, 2})


def test_names_go_through_pipelines_searches_and_what_scores_in_training():
    names = NAMES[LABELS]
    balanced = partial(BalancedBatchSampler, batch_size=12, seed=0)
    scored = [
        ("f1", EpochScoring("f1_macro", lower_is_better=False)),
        ("auc", EpochScoring("roc_auc_ovr")),
        ("seen", EpochScoring(sees_indices)),
    ]
    ours = CompactNetClassifier(plain.model, lr=0.05, optimizer=torch.optim.Adam, max_epochs=6, verbose=0,
                                iterator_train__batch_sampler=balanced, callbacks=scored)  # fmt: skip
    piped = make_pipeline(StandardScaler(), ours).fit(IMAGES.astype(np.float64), names)
    assert piped.score(IMAGES, names) > 0.8
    last = piped[-1].history[-1]
    assert min(last["valid_acc"], last["f1_macro"], last["roc_auc_ovr"], last["sees_indices"]) > 0.8
    search = GridSearchCV(ours, {"loss_lr": [0.1]}, cv=2, error_score="raise", scoring="neg_log_loss")
    assert set(search.fit(IMAGES, names).predict(IMAGES)) <= set(NAMES)


def test_classes_that_are_given_say_the_order_and_indices_stay_indices():
    ours = net(classes=["owl", "cat", "dog"], iterator_train__batch_sampler=None, max_epochs=1)
    few = LABELS < 2
    ours.fit(IMAGES[few], NAMES[LABELS[few]])
    places = ours.predict_proba(IMAGES).argmax(1)
    np.testing.assert_array_equal(ours.predict(IMAGES), np.array(["owl", "cat", "dog"])[places])
    sparse = net(iterator_train__batch_sampler=None, max_epochs=1).fit(IMAGES[LABELS != 1], LABELS[LABELS != 1])
    assert set(sparse.predict(IMAGES)) <= {0, 1, 2}
    twin = net(iterator_train__batch_sampler=None, max_epochs=1).fit(IMAGES[few], torch.from_numpy(LABELS[few]))
    assert twin.predict(IMAGES).dtype.kind == "i"


@pytest.mark.parametrize("nested", [False, True])
def test_data_is_taken_in_the_precision_of_the_module(nested):
    def given(images):
        return {"images": images} if nested else images

    wide, narrow = (net().fit(given(IMAGES.astype(kind)), LABELS) for kind in (np.float64, np.float32))
    plain.assert_same(plain.state(wide.module_), plain.state(narrow.module_))
    np.testing.assert_array_equal(wide.predict(given(IMAGES.astype(np.float64))), narrow.predict(given(IMAGES)))


@pytest.mark.message
def test_wrong_use_is_one_sentence():
    with pytest.raises(ValueError, match=r"^CompactNetClassifier: module must be WithLoss\(network, criterion\), or a "
                       r"function that makes one; got a tests\.Network\.$"):  # fmt: skip
        net(module=plain.Network).initialize()
    with pytest.raises(ValueError, match=r"^CompactNetClassifier: loss_lr must be a finite number of at least 0"):
        net(loss_lr=-1.0).initialize()
    for changes, told in [
        ({"criterion": torch.nn.NLLLoss}, r"got class torch\.NLLLoss|got .*NLLLoss"),
        ({"criterion__label_smoothing": 0.1}, "got criterion__label_smoothing"),
    ]:
        with pytest.raises(ValueError, match=rf"^CompactNetClassifier: criterion must be nn.CrossEntropyLoss.*{told}"):
            net(**changes).initialize()
    with pytest.raises(ValueError, match=r"^CompactNetClassifier: labels must be class indices, or names of as many "
                       r"classes as the losses have, 3; got 2: cat and dog\. Where some are absent"):  # fmt: skip
        net().fit(IMAGES[LABELS < 2], NAMES[LABELS[LABELS < 2]])
    with pytest.raises(ValueError, match=r"^CompactNetClassifier: labels must be among the classes, .*; got 'cow'\."):
        net(classes=list(NAMES)).fit(IMAGES, np.where(LABELS == 1, "cow", NAMES[LABELS]))
    with pytest.raises(ValueError, match=r"^CompactNetClassifier: batches must be of the 48 samples that are trained "
                       r"on; the sampler is of 60\. Give train_split=None, or partial"):  # fmt: skip
        CompactNetClassifier(plain.model, iterator_train__batch_sampler=plain.sampler(), verbose=0).fit(IMAGES, LABELS)


def test_the_page_runs(tmp_path):
    run_page("docs/adapters/skorch.md", tmp_path)
