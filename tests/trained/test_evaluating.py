"""``sigma2r evaluate``: figures against scikit-learn, what is fitted to what, what is told, what is written."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, roc_auc_score

import sigma2r
from sigma2r.data.splits import load_splits
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.trained.evaluating import Asked, evaluate_run
from sigma2r.trained.own_images import own_images
from tests.studies.test_cli import call

FEW = {"resamples": 50}


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> Path:
    """Images of nothing: 40 gray ones of 28 x 28 pixels."""
    folder = tmp_path_factory.mktemp("noise")
    generator = torch.Generator().manual_seed(0)
    for number in range(40):
        pixels = torch.randint(256, (28, 28), generator=generator, dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def found(worn, noise):
    trained = sigma2r.load(worn, device="cpu")
    return evaluate_run(trained, Asked(ood=(str(noise),), settings=FEW))


def test_figures_are_those_of_the_runs_own_test_images(found, worn, clothes):
    trained = sigma2r.load(worn, device="cpu")
    predictions = trained.predict(f"folder:{clothes}")
    said, wanted = predictions.labels.numpy(), predictions.targets.numpy()
    section = found.evaluation["classification"]
    assert found.evaluation.num_images == 120
    assert section["accuracy"].value == pytest.approx(predictions.accuracy)
    assert section["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(wanted, said))
    assert section["macro_f1"].value == pytest.approx(f1_score(wanted, said, average="macro"))
    assert (found.evaluation.confusion.matrix().numpy() == confusion_matrix(wanted, said, labels=range(10))).all()
    nearest = (predictions.distances.argmin(1).numpy() == wanted).mean()
    assert section["nearest_center_accuracy"].value == pytest.approx(nearest)


def test_training_images_have_their_own_column(found, worn):
    record = json.loads((worn / "record.json").read_text())
    assert found.training.num_images == 300
    assert found.training["classification"]["accuracy"].value == pytest.approx(record["final"]["train"]["accuracy"])
    assert found.training["compactness"]["intra"].value == pytest.approx(
        record["final"]["train"]["intra_mean"], rel=1e-5
    )
    assert found.training["retrieval"].figures == {}


def test_scores_of_unknown_images_are_fitted_to_training_images(found, worn, clothes, noise):
    trained = sigma2r.load(worn, device="cpu")
    known, unknown, training = (trained.predict(images) for images in (clothes / "test", noise, clothes / "train"))
    is_known = [1] * len(known) + [0] * len(unknown)
    both = torch.cat([known.logits, unknown.logits])
    directions = torch.nn.functional.normalize(torch.cat([known.features, unknown.features]).double())
    searched = torch.nn.functional.normalize(training.features.double())
    nearest = torch.cdist(directions, searched).sort(1).values
    wanted = {
        "center-distance": -torch.cat([known.distances, unknown.distances]).amin(1),
        "max-softmax": both.softmax(1).amax(1),
        "energy": both.logsumexp(1),
        "nearest-neighbors": -nearest[:, 49],
    }
    (by_score,) = found.evaluation.ood.values()
    for name, scores in wanted.items():
        assert by_score[name]["auroc"].value == pytest.approx(roc_auc_score(is_known, scores.numpy()), abs=1e-6), name
    assert set(by_score) == {*wanted, "mahalanobis"}
    assert found.fitted.told["center-distance"] == "By the centers that the loss learned."
    assert "300 training images" in found.fitted.told["mahalanobis"]


def test_the_temperature_is_fitted_to_the_runs_validation_images(made):
    trained = sigma2r.load(made, device="cpu")
    found = evaluate_run(trained, Asked(settings=FEW))
    assert found.evaluation.num_images == 1500
    splits = load_splits("fuzzy-rgb", images_per_class=120, validation_fraction=0.1)
    assert len(splits["train"]) < len(splits["train"].data)
    assert f"{len(splits['validation'])} validation images" in found.evaluation["calibration"]["nll_scaled"].definition
    assert found.training.num_images == len(splits["train"])
    data, rows = splits["train"].data, splits["train"].indices
    expected = trained.predict(data.images[rows])
    right = (expected.labels == data.labels[rows]).double().mean().item()
    assert found.training["classification"]["accuracy"].value == pytest.approx(right)


def test_centers_are_class_means_of_training_images_where_the_loss_has_none(worn, clothes):
    trained = dataclasses.replace(sigma2r.load(worn, device="cpu"), centers=None)
    found = evaluate_run(trained, Asked(settings=FEW))
    training, test = trained.predict(clothes / "train"), trained.predict(clothes / "test")
    means = torch.stack([training.features[training.targets == k].double().mean(0) for k in range(10)])
    nearest = torch.cdist(test.features.double(), means).argmin(1)
    share = (nearest == test.targets).double().mean().item()
    assert found.evaluation["classification"]["nearest_center_accuracy"].value == pytest.approx(share)
    assert "The centers are the class means of the training images." in found.notes


@pytest.mark.message
def test_known_images_that_count_as_unknown_are_told(worn, clothes):
    trained = sigma2r.load(worn, device="cpu")
    with pytest.warns(UserWarning, match="count") as told:
        found = evaluate_run(trained, Asked(ood=(str(clothes / "test"),), settings=FEW))
    said = [str(each.message) for each in told]
    assert any(
        "holds classes that the run knows (Ankle boot, Bag, Coat and 7 more): 120 of its 120" in one for one in said
    )
    assert any("120 images of" in one and "they count on both sides" in one for one in said)
    (by_score,) = found.evaluation.ood.values()
    assert by_score["energy"]["auroc"].value == pytest.approx(0.5)


@pytest.mark.message
def test_images_without_a_known_class_are_left_out_and_told(worn, clothes, tmp_path):
    shutil.copytree(clothes / "test" / "Bag", tmp_path / "Bag")
    shutil.copytree(clothes / "test" / "Coat", tmp_path / "Spaceship")
    trained = sigma2r.load(worn, device="cpu")
    with pytest.warns(UserWarning, match="12 of 24 images of .* have no class that the run knows: left out"):
        found = evaluate_run(trained, Asked(data=str(tmp_path), settings=FEW))
    assert found.evaluation.num_images == 12
    assert found.evaluation["silhouette"].left_out == {"silhouette": "all images are of one class."}
    with pytest.raises(ValueError, match=r"^evaluate: the classes must be .*; dodo was added, and has no logit"):
        evaluate_run(dataclasses.replace(trained, added=("dodo",)), Asked(settings=FEW))
    with pytest.raises(ValueError, match=r"^evaluate: .*Spaceship must hold images in folders that are called like"):
        evaluate_run(trained, Asked(data=str(tmp_path / "Spaceship"), settings=FEW))


@pytest.mark.message
def test_without_its_own_images_a_run_evaluates_others(worn, clothes, noise, tmp_path):
    folder, moved = tmp_path / "run", tmp_path / "moved"
    shutil.copytree(worn, folder)
    for name in ("record.json", "run.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(str(clothes), str(tmp_path / "gone")))
    values = json.loads((folder / "record.json").read_text())
    checkpoint = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    run = Run.from_record(values["run"])
    values["run_id"] = run.run_id
    (folder / "record.json").write_text(json.dumps(values))
    for state in checkpoint["callbacks"].values():
        if isinstance(state, dict) and "of" in state:
            state["of"] = run.run_id
    torch.save(checkpoint, folder / "checkpoints/last.ckpt")
    shutil.copytree(clothes / "test", moved)
    trained = sigma2r.load(folder, device="cpu")
    with pytest.raises(ValueError, match=r"^evaluate: the images of the run must be where they were; .* --data\.$"):
        evaluate_run(trained, Asked(settings=FEW))
    found = evaluate_run(trained, Asked(data=str(moved), ood=(str(noise),), settings=FEW))
    assert found.evaluation.num_images == 120
    assert found.training is None
    assert set(found.fitted.left_out) == {"mahalanobis", "nearest-neighbors"}
    assert any(note.startswith("Nothing is fitted to the run's own images: ") for note in found.notes)


def test_the_verb_writes_a_page_and_a_file_and_overwrites_its_own_alone(worn, noise, tmp_path, capsys):
    words = ("evaluate", worn, "--device", "cpu", "--ood", noise, "--resamples", "50", "--out", tmp_path / "out")
    code, said, err = call(capsys, *words)
    assert (code, err) == (0, "")
    page, told = tmp_path / "out/evaluation.html", tmp_path / "out/evaluation.json"
    assert said.endswith(f"Page: {page}\nFigures: {told}\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "evaluation.html", "evaluation.json", "evaluation.sha256",
    ]  # fmt: skip
    values = json.loads(told.read_text())
    accuracy = json.loads((worn / "record.json").read_text())["final"]["test"]["accuracy"]
    figure = values["evaluation"]["sections"]["classification"]["figures"]["accuracy"]
    assert figure["value"] == pytest.approx(accuracy, abs=1e-6)
    assert f"{figure['value']:.4g}" in said
    text = page.read_text()
    assert "Ankle boot" in text
    assert "Unknown images" in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org", "")
    before = page.read_bytes(), told.read_bytes()
    assert call(capsys, *words)[0] == 0  # its own are replaced, by the same
    assert (page.read_bytes(), told.read_bytes()) == before
    told.write_text("{}")
    code, _, err = call(capsys, *words)
    assert code == 1
    assert "is never overwritten" in err
    assert told.read_text() == "{}"


@pytest.mark.message
def test_images_that_cannot_be_read_are_told_and_left_out(worn, clothes, tmp_path, capsys):
    shutil.copytree(clothes / "test", tmp_path / "photos")
    (tmp_path / "photos/Bag/0.png").write_bytes(b"no image")
    words = ("evaluate", worn, "--data", tmp_path / "photos", "--device", "cpu", "--resamples", "0")
    code, said, err = call(capsys, *words, "--out", tmp_path / "out")
    assert code == 3
    assert "1 image could not be read and is left out" in err
    assert "119 images" in said
    text = (tmp_path / "out/evaluation.html").read_text()
    assert "1 image could not be read" in text
    for folder in (clothes / "test", tmp_path / "photos"):  # of the run's own images, and of those that are looked at
        code, _, err = call(capsys, *words, "--out", folder)
        assert code == 1
        assert "results must lie apart from the images" in err


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_compare_evaluates_what_is_not_evaluated_yet(clothes, noise, tmp_path, capsys):
    words = (
        "compare", "--dataset", f"folder:{clothes}", "--losses", "cross-entropy", "center@0.1", "--epochs", "1",
        "--batch_size", "80", "--device", "cpu", "--evaluate", "--ood", noise, "--out", tmp_path / "out",
    )  # fmt: skip
    code, said, err = call(capsys, *words)
    assert (code, err) == (0, "")
    assert said.count(": evaluating\n") == 2
    table = rows_of(tmp_path / "out/tables/evaluation.csv")
    assert [row["loss"] for row in table] == ["cross-entropy", "center@0.1"]
    files = sorted((tmp_path / "out").rglob("evaluation.json"))
    assert len(files) == 2
    for path in files:
        values = json.loads(path.read_text())
        (row,) = [row for row in table if row["loss"] == values["loss"]]
        recall = values["evaluation"]["sections"]["retrieval"]["figures"]["recall@1"]["value"]
        assert float(row["recall@1"]) == pytest.approx(recall, abs=5e-4)
    assert (tmp_path / "out/tables/unknown-1.csv").is_file()
    files[0].unlink()
    stale = json.loads(files[1].read_text())
    assert "MAP@R" in said
    code, said, _ = call(capsys, *words)  # resumed: nothing is trained, one run is evaluated again
    assert code == 0
    assert "Nothing is trained" in said
    assert said.count(": evaluating\n") == 1
    assert json.loads(files[1].read_text()) == stale
    assert call(capsys, "report", tmp_path / "out")[0] == 0  # and nothing is lost where the report is built again
    assert rows_of(tmp_path / "out/tables/evaluation.csv") == table
    code, _, err = call(capsys, *words[:-5], "--ood", noise, "--out", tmp_path / "out")
    assert code == 1
    assert "--ood names unknown images for --evaluate" in err


@pytest.mark.message
def test_a_data_set_of_ones_own_is_imported_only_if_that_is_asked_for(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pets.py").write_text("open('proof', 'a').close()\n")
    record = Record.read(made / "record.json")
    record = dataclasses.replace(record, run=Run(dataset="pets.py:held"))
    with pytest.raises(ValueError, match=r"evaluate: the data set of this run is code of one's own, pets\.py:held"):
        own_images(record, None)
    assert not Path("proof").exists()


@pytest.mark.message
def test_images_that_are_others_than_the_record_tells_are_said(worn):
    record = Record.read(worn / "record.json")
    data = {**record.data, "test": {**record.data["test"], "fingerprint": "0" * 64}}
    with pytest.warns(UserWarning, match="evaluate: the test images of .* are others now than the run's record tells"):
        own_images(dataclasses.replace(record, data=data), None)
