"""A rejector that is set by a run's validation images, kept with it, and read again without running anything."""

import csv
import io
import os
import shutil
from pathlib import Path

import pytest
import torch

import sigma2r
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.trained import fit_rejector
from tests.reference import lenet
from tests.studies.test_cli import call
from tests.trained.conftest import QUIET
from tests.trained.test_data_sets import DIVIDED, photos


@pytest.fixture
def own(made, tmp_path) -> Path:
    """A copy of the made run."""
    return shutil.copytree(made, tmp_path / "own")


def kept(folder: Path, checkpoint: str = "last") -> Path:
    return folder / f"checkpoints/rejector-{checkpoint}.pt"


def test_the_threshold_is_that_of_the_validation_images_alone(own):
    plain = sigma2r.load(own, device="cpu")
    validation = plain.predict("fuzzy-rgb", split="val")
    nearest = torch.tensor(lenet.distances(validation.features, plain.centers)).amin(1).sort(descending=True).values
    trained = fit_rejector(own, device="cpu", false_rejects=0.1)
    assert float(trained.rejector.threshold) == pytest.approx(-float(nearest[89]), rel=1e-5)  # of floor(.1 * 901) = 90
    assert trained.rejector.images.tolist() == [300, 300, 300]
    again = sigma2r.load(own, device="cpu")
    assert plain.predict("fuzzy-rgb").accepted is None
    got = again.predict("fuzzy-rgb")
    expected = torch.tensor(lenet.distances(got.features, again.centers)).amin(1) <= -float(trained.rejector.threshold)
    assert torch.equal(got.accepted, expected)
    assert 0 < int((~got.accepted).sum()) < 1500
    assert got.answers == [
        name if yes else "none of these" for name, yes in zip(got.classes, got.accepted.tolist(), strict=True)
    ]
    assert got.rejection == trained.rejector.describe() == again.rejector.describe()
    for word in ("center-distance", "900 validation images", "at most 9.99 %", "false_rejects 0.1"):
        assert word in got.rejection
    with pytest.warns(UserWarning, match="1 of 2 images cannot be read"):
        far = again.predict([torch.full((3, 32, 32), 2.0), torch.zeros(3, 32, 32)], batch_size=1)
    assert far.accepted.shape == (2,)
    assert (bool(far.accepted[0]), far.answers[0]) == (False, None)
    assert sigma2r.load(own, device="cpu", rejector=False).rejector is None
    assert kept(own).is_file()
    train(Run.from_dict(again.record.run.as_dict()), own, QUIET)  # a folder with a rejector is a run's as before
    assert sigma2r.load(own, device="cpu").rejector is not None


@pytest.mark.parametrize("score", ["mahalanobis", "nearest-neighbors", "max-softmax", "energy"])
def test_every_score_is_kept(own, score):
    k = {"k": 5} if score == "nearest-neighbors" else {}
    trained = fit_rejector(own, device="cpu", score=score, thresholds="per-class", **k)
    again = sigma2r.load(own, device="cpu")
    assert again.rejector.score.name == score
    if score == "nearest-neighbors":
        assert again.rejector.score.points.shape == (360, 2)  # 120 a class trained, of 3000
    got = again.predict("fuzzy-rgb")
    assert torch.equal(got.accepted, trained.predict("fuzzy-rgb").accepted)
    assert 0 < int((~got.accepted).sum()) < 300


def test_a_loss_without_centers_has_the_means_of_the_training_images(tiny, tmp_path):
    run = Run(dataset=tiny, epochs=1, batch_size=36, loss="cross-entropy", validation_fraction=0.34)
    train(run, tmp_path / "run", QUIET)
    trained = fit_rejector(tmp_path / "run", device="cpu")
    validation = trained.predict(tiny, split="val")
    whole = trained.predict(tiny, split="train")
    fits = torch.tensor([name not in validation.names for name in whole.names])
    assert int(fits.sum()) == 48
    means = torch.stack([whole.features[fits & (whole.targets == k)].double().mean(0) for k in range(3)])
    torch.testing.assert_close(trained.rejector.score.centers, means, rtol=1e-5, atol=1e-6)


def test_data_may_lie_elsewhere_and_must_be_those_of_the_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = photos(Path("photos"), {**DIVIDED, "val/cat": 15, "val/dog": 10})
    run = Run(dataset="folder:photos", image_size=16, epochs=1, batch_size=16, loss="center@0.1")
    train(run, tmp_path / "run", QUIET)
    expected = fit_rejector(tmp_path / "run", device="cpu").rejector.threshold
    place.rename(tmp_path / "moved")
    with pytest.raises(ValueError, match="The rejector needs the images of the training: --dataset says where"):
        fit_rejector(tmp_path / "run", device="cpu")
    moved = fit_rejector(tmp_path / "run", device="cpu", dataset="folder:moved")
    assert torch.equal(moved.rejector.threshold, expected)
    shutil.copy(tmp_path / "moved/train/cat/0.png", tmp_path / "moved/val/cat/0.png")
    with pytest.raises(
        ValueError, match=r"^rejector: the data must be those .*; the validation images of .* are others"
    ):
        fit_rejector(tmp_path / "run", device="cpu", dataset=f"folder:{tmp_path / 'moved'}")


@pytest.mark.message
def test_what_cannot_set_a_threshold_is_told_in_one_sentence(own, worn, tmp_path):
    for folder, settings, message in (
        (worn, {}, r"^rejector: a threshold is set by images .* Train with --validation_fraction 0.1, or put images"),
        (own, {"score": "energie"}, r"^unknown score 'energie'; known: .* Did you mean energy\?$"),
        (own, {"false_rejects": 1.5}, r"false_rejects must .*lie in \(0, 1\); got 1.5"),
        (own, {"false_rejects": 1e-4}, r"must be at least 9999 validation images; got 900\. Give more, or"),
        (own, {"thresholds": "each"}, r"thresholds must be .common. or .per-class.; got 'each'"),
        (own, {"score": "nearest-neighbors", "k": 5000}, r"k must be at most the number of known samples, 360; got"),
        (own, {"k": 5}, r"^rejector: k must be left out, unless .* nearest-neighbors; got 5 with center-distance\.$"),
        (own, {"score": "max-softmax", "k": 50}, r"got 50 with max-softmax\.$"),
        (own, {"k": 0}, r"rejector: k must be a whole number of at least 1"),
        (own, {"dataset": "fuzzy-rbg"}, r"unknown data set 'fuzzy-rbg'"),
        (own, {"checkpoint": "first"}, r"unknown checkpoint 'first'"),
        (tmp_path / "nowhere", {}, r"there is no such folder"),
    ):
        with pytest.raises(ValueError, match=message) as refused:
            fit_rejector(folder, device="cpu", **settings)
        assert "\n" not in str(refused.value)
    assert not kept(own).exists()


def test_the_best_weights_have_a_rejector_of_their_own(own):
    with pytest.warns(UserWarning, match="best weights were chosen on the images that set the threshold"):
        fit_rejector(own, "best", "cpu")
    assert sigma2r.load(own, device="cpu").rejector is None
    assert sigma2r.load(own, "best", "cpu").rejector is not None
    shutil.copy(kept(own, "best"), kept(own))
    held = torch.load(kept(own), weights_only=True)
    torch.save({**held, "epoch": 99}, kept(own))
    with pytest.raises(ValueError, match=r"must be a rejector for these weights; it is of the training \w+, epoch 99"):
        sigma2r.load(own, device="cpu")


class Runs:
    """Pickled, it runs a command when it is loaded."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self):
        return os.system, (f"touch {self.proof}",)


def changes(proof: Path) -> dict[str, object]:
    """What is wrong with a file, by how it is changed: the file's content, or a function of it."""

    def described(**values):
        return lambda held: {**held, "description": {**held["description"], **values}}

    def tensors(**values):
        return lambda held: {**held, "tensors": {**held["tensors"], **values}}

    return {
        "code": lambda held: {**held, "epoch": Runs(proof)},
        "no file of torch's": b"not a file of torch's",
        "empty": b"",
        "a list": lambda held: [1, 2],
        "another run": lambda held: {**held, "of": "x"},
        "no epoch": lambda held: {key: value for key, value in held.items() if key != "epoch"},
        "no tensors": lambda held: {**held, "tensors": None},
        "no threshold": lambda held: {**held, "tensors": {}},
        "a threshold of NaN": tensors(threshold=torch.tensor(float("nan"))),
        "a threshold of whole numbers": tensors(threshold=torch.tensor(1)),
        "a complex threshold": tensors(threshold=torch.tensor(1j)),
        "thresholds of another number": tensors(class_thresholds=torch.zeros(2)),
        "counts that are none": tensors(images=torch.zeros(3)),
        "counts below zero": tensors(rejected=torch.tensor([-1, 0, 0])),
        "centers of another size": tensors(**{"score.centers": torch.zeros(3, 7)}),
        "centers of other classes": tensors(**{"score.centers": torch.zeros(2, 2)}),
        "centers of NaN": tensors(**{"score.centers": torch.full((3, 2), float("nan"))}),
        "a tensor too much": tensors(**{"score.more": torch.zeros(1)}),
        "texts for tensors": tensors(threshold="low"),
        "another schema": described(schema=2),
        "an unknown score": described(score="guess"),
        "a score that is none": described(score=["energy"]),
        "settings that are none": described(settings=[1]),
        "settings too much": described(settings={"normalize": False, "power": 3}),
        "a rate beyond": described(false_rejects=2.0),
        "other classes": described(class_names=["a", "b", "c"]),
        "classes that are none": described(class_names=[{}, 1, "c"]),
        "a class twice": described(class_names=["red", "red", "blue"]),
        "thresholds of a third kind": described(thresholds="each"),
    }


@pytest.mark.message
def test_a_hostile_file_is_one_sentence_and_runs_nothing(own, tmp_path):
    fit_rejector(own, device="cpu")
    whole, proof = kept(own).read_bytes(), tmp_path / "proof"
    ways = changes(proof)
    assert len(ways) == 29
    for what, change in ways.items():
        kept(own).write_bytes(whole)
        if isinstance(change, bytes):
            kept(own).write_bytes(change)
        else:
            torch.save(change(torch.load(kept(own), weights_only=True)), kept(own))
        with pytest.raises(ValueError, match=r"^load: .* must be a rejector for these weights; ") as refused:
            sigma2r.load(own, device="cpu")
        told = str(refused.value)
        assert told.endswith(f". Set it anew: sigma2r rejector {own} --checkpoint last."), (what, told)
        assert "\n" not in told, what
    assert not proof.exists()
    spoiled = bytearray(whole)
    spoiled[len(spoiled) // 2] ^= 1
    kept(own).write_bytes(spoiled)
    with pytest.raises(ValueError, match="must be a rejector for these weights"):
        sigma2r.load(own, device="cpu")
    fit_rejector(own, device="cpu")  # which does not read the old one
    assert sigma2r.load(own, device="cpu").rejector is not None


def test_the_command_line_sets_it_and_predict_says_none_of_these(own, tmp_path, capsys):
    words = ("rejector", own, "--false-rejects", "0.2", "--device", "cpu")
    code, said, err = call(capsys, *words)
    assert (code, err) == (0, "")
    assert said.startswith("Accepted is what has a score (center-distance, higher is more known) of at least -")
    assert said.endswith(f"Rejector: {kept(own)}\n")
    assert call(capsys, *words)[1] == said.rstrip() + ", in place of an older one\n"
    out = tmp_path / "p.csv"
    code, said, err = call(capsys, "predict", own, "fuzzy-rgb", "--out", out, "--device", "cpu")
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    accepted = [row["accepted"] for row in rows]
    assert (code, err, set(accepted)) == (0, "", {"yes", "none of these"})
    assert said.startswith(f"1,500 images, {accepted.count('yes'):,} accepted; accuracy 0.")
    assert "false_rejects 0.2" in said
    code, said, err = call(capsys, "predict", own, "fuzzy-rgb", "--device", "cpu")
    assert said == out.read_text()  # where a program may read it, rows alone
    assert "false_rejects 0.2" in err
    code, _, err = call(capsys, "rejector", own, "--score", "x")
    assert code == 1
    assert err.count("\n") == 1


@pytest.mark.message
def test_a_data_set_of_ones_own_is_imported_only_if_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pets.py").write_text(
        "import torch\nfrom sigma2r.data import ImageData\nopen('proof', 'a').close()\n"
        "def held(split):\n    generator = torch.Generator().manual_seed(len(split))\n"
        "    images = torch.randint(256, (80, 1, 16, 16), generator=generator).to(torch.uint8)\n"
        "    return ImageData(images, torch.arange(80) % 2, ('cat', 'dog'))\n"
    )
    run = Run(dataset="pets.py:held", epochs=1, batch_size=16, loss="center@0.1", validation_fraction=0.3)
    train(run, tmp_path / "run", QUIET)
    Path("proof").unlink()
    with pytest.raises(ValueError, match=r"the data set of this run is code of one's own, pets\.py:held"):
        fit_rejector(tmp_path / "run", device="cpu")
    assert not Path("proof").exists()
    assert fit_rejector(tmp_path / "run", device="cpu", own_code=True).rejector.images.tolist() == [12, 12]
