"""What a rejector says, within the file: scores, acceptance, and thresholds that a program can use."""

import json
import shutil

import numpy as np
import onnxruntime
import pytest
import torch

import sigma2r
from sigma2r.evaluation import (
    CenterDistance,
    Energy,
    MahalanobisDistance,
    MaxSoftmax,
    NeighborDistance,
    Rejector,
    Score,
)
from sigma2r.exporting import exporting
from sigma2r.exporting.checking import difference, on_cpu
from sigma2r.exporting.graph import Graph
from sigma2r.exporting.rejecting import Rejecting
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.trained import fit_rejector
from tests.exporting.test_files import told_in
from tests.studies.test_cli import call
from tests.trained.conftest import QUIET

SCORES = ("center-distance", "mahalanobis", "nearest-neighbors", "max-softmax", "energy")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run whose loss has no centers: those of a rejector are its own."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    run = Run(
        loss="cross-entropy", feature_dim=3, epochs=2, images_per_class=120, batch_size=60, validation_fraction=0.1
    )
    train(run, folder, QUIET)
    return folder


def images_of_all_kinds(generator):
    """Some of the classes and some of none."""
    noise = torch.randint(0, 256, (30, 3, 32, 32), generator=generator).to(torch.uint8)
    known = sigma2r.data.load_images("fuzzy-rgb", "test").images[::25]
    return torch.cat([noise, known, known[:30] // 2])


def outputs_of(path, images):
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images.numpy()}), strict=True))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("thresholds", ["common", "per-class"])
def test_onnxruntime_accepts_what_predict_accepts(score, thresholds, plain, generator, tmp_path):
    k = 5 if score == "nearest-neighbors" else None
    fit_rejector(plain, device="cpu", score=score, thresholds=thresholds, k=k, false_rejects=0.2)
    trained = sigma2r.load(plain, device="cpu")
    file = sigma2r.export(trained, tmp_path / "m.onnx")
    assert file.difference.same_accepted == 64
    assert str(file).endswith("the same class for all 64 and the same acceptance for all 64.")
    images = images_of_all_kinds(generator)
    wanted, got = trained.predict(images), outputs_of(file.path, images)
    scores = trained.rejector.scores(wanted.features, logits=wanted.logits).double().numpy()
    assert np.abs(got["scores"] - scores).max() <= 1e-5 * np.abs(scores).max()
    near = np.abs(scores - float(trained.rejector.threshold)) < 1e-6 * np.abs(scores).max()
    assert (got["accepted"] == wanted.accepted.numpy())[~near].all()
    assert 5 < got["accepted"].sum() < len(images) - 5
    told = told_in(file)
    assert told["outputs"]["scores"] == told["outputs"]["accepted"] == ["batch"]
    assert told["rejection"]["score"] == score
    assert (told["rejection"]["false_rejects"], told["rejection"]["thresholds"]) == (0.2, thresholds)
    own = [None if np.isnan(each) else each for each in trained.rejector.class_thresholds.tolist()]
    assert told["rejection"]["class_thresholds"] == own
    assert (len(set(own)) > 1) == (thresholds == "per-class")
    assert told["rejection"]["says"] == wanted.rejection


def test_the_rejector_of_the_verb_stands_in_the_file_and_a_program_applies_it(made, generator, tmp_path, capsys):
    folder = shutil.copytree(made, tmp_path / "run")
    assert call(capsys, "rejector", folder, "--false_rejects", "0.1", "--device", "cpu")[0] == 0
    assert call(capsys, "export", folder)[0] == 0
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    about = json.loads(session.get_modelmeta().custom_metadata_map["sigma2r"])
    images = images_of_all_kinds(generator)
    distances, accepted = session.run(["distances", "accepted"], {"images": images.numpy()})
    assert about["rejection"]["class_names"] == about["class_names"] == ["red", "green", "blue"]
    by_hand = -distances.min(1) >= about["rejection"]["threshold"]
    assert by_hand.tolist() == accepted.tolist() == sigma2r.load(folder, device="cpu").predict(images).accepted.tolist()
    assert 0 < accepted.sum() < len(images)
    about = told_in(sigma2r.export(sigma2r.load(folder, rejector=False), folder / "model.onnx"))
    assert about["rejection"] is None
    assert "accepted" not in about["outputs"]


CENTERS = torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]) + 50  # an offset that all share


def rejector_of(make, generator, spread=1.0, thresholds="common"):
    """By features and logits of 400 images, and others to judge."""
    labels = torch.arange(400) % 3
    features = CENTERS[labels] + spread * torch.randn(400, 3, generator=generator)
    logits = features - 50
    fitted = Rejector.fit(features[:200], labels[:200], logits=logits[:200], thresholds=thresholds, false_rejects=0.1,
                          score=make(features[200:], labels[200:]))  # fmt: skip
    seen = CENTERS[torch.arange(300) % 3] + 2 * spread * torch.randn(300, 3, generator=generator)
    return fitted, seen, seen - 50


@pytest.mark.parametrize("thresholds", ["common", "per-class"])
@pytest.mark.parametrize(
    "make",
    [
        lambda x, y: CenterDistance.fit(x, y),
        lambda x, y: CenterDistance.fit(x, y, normalize=True),
        lambda x, y: MahalanobisDistance.fit(x, y),
        lambda x, y: MahalanobisDistance.fit(x, y, covariance="per-class", normalize=True),
        lambda x, y: NeighborDistance.fit(x, y, k=7),
        lambda x, y: NeighborDistance.fit(x, y, k=2, normalize=False),
        lambda x, y: MaxSoftmax(temperature=2.0),
        lambda x, y: Energy(temperature=0.5),
    ],
    ids=["centers", "unit centers", "mahalanobis", "each its own", "neighbors", "as they are", "softmax", "energy"],
)
def test_every_score_of_ours_is_in_the_graph(make, thresholds, generator):
    fitted, features, logits = rejector_of(make, generator, thresholds=thresholds)
    got = Rejecting(fitted, torch.float32)(features, logits)
    wanted = fitted.scores(features, logits=logits)
    torch.testing.assert_close(got["scores"], wanted.float(), rtol=2e-4, atol=2e-5)
    assert (got["accepted"] == fitted.accepts(features, logits=logits)).sum() >= 299  # one may lie at a threshold
    assert 20 < int(got["accepted"].sum()) < 290


def test_images_that_a_network_is_sure_of_are_told_apart():
    """1 - 1e-9 and 1 - 1e-10 are one number of 32 bits."""
    logits = torch.tensor([[0.0, 0.0, left] for left in torch.linspace(18, 26, 101)])
    fitted = Rejector.fit(None, torch.arange(101) % 3, score=MaxSoftmax(), logits=logits, false_rejects=0.5,
                          class_names=["a", "b", "c"])  # fmt: skip
    got = Rejecting(fitted, torch.float32)(logits, logits)["accepted"]
    assert 1 - 1e-9 < float(fitted.threshold) < 1 - 1e-10
    assert fitted.accepts(logits=logits).tolist() == [False] * 50 + [True] * 51
    assert got[:50].tolist() + got[51:].tolist() == [False] * 50 + [True] * 50  # but for the one at the threshold


def test_neighbors_that_lie_close_have_an_order(generator):
    """Of unit features whose distances are 1e-4, inner products in 32 bits are all the same."""
    fitted, features, logits = rejector_of(lambda x, y: NeighborDistance.fit(x, y, k=3), generator, spread=5e-3)
    got = Rejecting(fitted, torch.float32)(features, logits)
    assert float(-fitted.threshold) < 1e-4
    torch.testing.assert_close(got["scores"], fitted.scores(features), rtol=1e-2, atol=1e-7)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_accepted(value, generator):
    fitted, features, logits = rejector_of(lambda x, y: Energy(), generator)
    logits = torch.full_like(logits, 9.0)
    logits[0, 1] = value
    assert Rejecting(fitted, torch.float32)(features, logits)["accepted"].tolist() == [False] + [True] * 299


def test_torch_saves_what_was_learned_without_a_word(plain, generator, tmp_path):
    """The factor of a covariance comes with strides of its own."""
    trained = fit_rejector(plain, device="cpu", score="mahalanobis")
    file = sigma2r.export(trained, tmp_path / "m.pt2", "torch-export")
    images = images_of_all_kinds(generator)
    got = torch.export.load(file.path).module()(images)
    assert (got["accepted"] == trained.predict(images).accepted).sum() >= len(images) - 1


class Mine(Score):
    """A score of one's own."""

    def judge_rows(self, rows):
        return sigma2r.evaluation.Judged(rows.sum(1), torch.zeros(len(rows), dtype=torch.int64))


@pytest.mark.message
def test_a_score_of_ones_own_is_refused_with_what_to_do(made, generator, tmp_path):
    trained = sigma2r.load(made, device="cpu")
    trained.rejector = Rejector.fit(torch.randn(40, 2, generator=generator), torch.arange(40) % 3, score=Mine())
    told = (
        r"^export: the score of the rejector must be center-distance, .* or energy; got .* load it with rejector=False"
    )
    with pytest.raises(ValueError, match=told):
        sigma2r.export(trained, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_of_a_run_that_is_elsewhere_a_copy_on_the_cpu_is_exported(plain, tmp_path, monkeypatch):
    trained = fit_rejector(plain, device="cpu", score="mahalanobis")
    assert on_cpu(trained) is trained
    monkeypatch.setattr(type(trained), "device", torch.device("cuda"))  # as far as it says
    copied = on_cpu(trained)
    for name in ("model", "preprocess", "rejector"):
        before, after = getattr(trained, name), getattr(copied, name)
        assert after is not before
        torch.testing.assert_close(after.state_dict(), before.state_dict(), rtol=0, atol=0, equal_nan=True)
    assert copied.class_names == trained.class_names
    trained.rejector, trained.centers = None, torch.zeros(3, 3)
    assert (on_cpu(trained).rejector, on_cpu(trained).centers.shape) == (None, (3, 3))


def test_a_file_that_accepts_others_is_removed(plain, tmp_path, monkeypatch):
    fit_rejector(plain, device="cpu", false_rejects=0.3)
    trained = sigma2r.load(plain, device="cpu")

    def with_another_bound(*given):
        graph = Graph(*given)
        graph.rejecting.bounds *= 3.0
        return graph

    monkeypatch.setattr(exporting, "Graph", with_another_bound)
    with pytest.raises(ValueError, match=r"the same acceptance for [45]\d of 64\. The file was removed\.$"):
        sigma2r.export(trained, tmp_path / "m.pt2", "torch-export")
    assert list(tmp_path.iterdir()) == []


def test_an_image_at_its_threshold_may_be_judged_either_way(plain, generator):
    """As far as its score is from the threshold, and no farther."""
    fit_rejector(plain, device="cpu", thresholds="per-class", false_rejects=0.3)
    trained, images = sigma2r.load(plain, device="cpu"), images_of_all_kinds(generator)
    graph = Graph(trained)
    predicted = trained.predict(images)
    judged = trained.rejector.score.judge(predicted.features)
    apart = (judged.score - trained.rejector.class_thresholds[judged.label]).abs()
    for place in (int(apart.argmin()), int(apart.argmax())):
        before = 0

        def run(part, place=place):
            nonlocal before
            outputs = graph(part)
            if before <= place < before + len(part):
                outputs["accepted"][place - before] ^= True
            before += len(part)
            return outputs

        found = difference(run, trained, images)
        assert found.same_accepted == len(images) - 1
        assert found.largest["accepted"] == pytest.approx(float(apart[place]))
        assert found.share["accepted"] == pytest.approx(float(apart[place] / judged.score.abs().max()))
        assert "accepted 0" not in str(found)
