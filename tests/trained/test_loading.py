"""A run's folder becomes an object, or one sentence says why not; nothing in the folder is run."""

import dataclasses
import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import sigma2r
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.trained import load
from sigma2r.trained.shape import image_shape_of
from sigma2r.trained.weights import model_of
from sigma2r.training.measure import measure_splits
from tests.studies.test_cli import call
from tests.trained.conftest import QUIET


def test_a_run_is_loaded_with_all_that_it_learned(made):
    trained = sigma2r.load(made, device="cpu")
    state = torch.load(made / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert trained.class_names == ("red", "green", "blue")
    assert trained.record.as_dict() == Record.read(made / "record.json").as_dict()
    assert trained.epoch == 2
    assert_close(trained.centers, state["criterion.auxiliaries.0.centers"], rtol=0, atol=0)
    assert_close(trained.preprocess.mean, state["preprocess.mean"], rtol=0, atol=0)
    assert_close(trained.preprocess.std, state["preprocess.std"], rtol=0, atol=0)
    for name, value in trained.model.state_dict().items():
        assert_close(value, state[f"model.{name}"], rtol=0, atol=0)
    assert not trained.model.training
    assert not any(parameter.requires_grad for parameter in trained.model.parameters())
    assert trained.frame.image_shape == (3, 32, 32)
    assert str(trained) == "Trained(fuzzy-rgb, lenet, center@0.1, epoch 2, 3 classes, 2 features, cpu)"


def test_loading_takes_no_random_number(made):
    before = torch.random.get_rng_state()
    load(made, device="cpu").predict("fuzzy-rgb", batch_size=500)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_best_is_of_the_epoch_with_the_highest_accuracy_on_validation_images(tiny, tmp_path, monkeypatch):
    told = iter((0.2, 0.9, 0.9, 0.5))

    def measured(*args, **options):
        figures = measure_splits(*args, **options)
        figures["validation"]["accuracy"] = next(told)
        return figures

    monkeypatch.setattr("sigma2r.training.trainer.measure_splits", measured)
    run = Run(dataset=tiny, feature_dim=2, epochs=4, batch_size=36, lr=0.01, loss="center@0.1", validation_fraction=0.3)
    record = train(run, tmp_path / "run", QUIET)
    best, last = (load(tmp_path / "run", name, "cpu") for name in ("best", "last"))
    assert (best.epoch, last.epoch) == (2, 4)
    assert not torch.equal(best.centers, last.centers)
    assert best.predict(tiny).accuracy == pytest.approx(record.history[1]["test"]["accuracy"], abs=1e-7)
    assert last.predict(tiny).accuracy == pytest.approx(record.final["test"]["accuracy"], abs=1e-7)


def test_a_run_in_64_bits_stays_one(tiny, tmp_path):
    train(Run(dataset=tiny, epochs=1, batch_size=36, loss="center@0.1", precision="64-true"), tmp_path / "run", QUIET)
    trained = load(tmp_path / "run", device="cpu")
    assert trained.embed(tiny).dtype == trained.distances(tiny).dtype == torch.float64
    assert trained.predict(tiny).accuracy == pytest.approx(trained.record.final["test"]["accuracy"], abs=1e-7)


def test_a_run_in_bfloat16_predicts_as_it_measured(tiny, tmp_path):
    run = Run(dataset=tiny, epochs=2, batch_size=36, loss="center@0.1", precision="bf16-mixed")
    record = train(run, tmp_path / "run", QUIET)
    trained = load(tmp_path / "run", device="cpu")
    features = trained.embed(tiny)
    assert features.dtype == torch.float32
    assert torch.equal(features, features.bfloat16().float())  # as measured: the network computed in 8 bits of mantissa
    assert trained.predict(tiny).accuracy == pytest.approx(record.final["test"]["accuracy"], abs=1e-7)


def test_old_records_tell_the_shape_where_something_else_does(made, changed):
    mean = torch.zeros(3)
    record = Record.read(made / "record.json")
    assert record.image_shape == (3, 32, 32)

    def old(**fields) -> tuple[int, int, int]:
        run = Run(**{"dataset": "fuzzy-rgb", **fields})
        held = Record(**{**vars(record), "run": run, "image_shape": None})
        return image_shape_of(held, mean[: (fields.get("gray", False) and 1) or 3], Path("record.json"))

    assert old() == (3, 32, 32)
    assert old(image_size=16) == (3, 16, 16)
    assert old(dataset="fashion-mnist") == (1, 28, 28)
    assert old(dataset="cifar100") == (3, 32, 32)
    assert old(dataset="folder:photos", image_size=48) == (3, 48, 48)
    assert old(dataset="folder:photos", image_size=48, gray=True) == (1, 48, 48)
    folder = changed(record=lambda values: values.pop("image_shape"))
    assert load(folder, device="cpu").frame.image_shape == (3, 32, 32)


@pytest.mark.message
@pytest.mark.parametrize("dataset", ["folder:photos", "mine.py:pets"])
def test_an_old_record_of_a_folder_says_what_it_lacks(made, dataset):
    values = vars(Record.read(made / "record.json"))
    record = Record(**{**values, "run": Run(dataset=dataset), "image_shape": None})
    with pytest.raises(ValueError, match="must tell the size of the images") as refused:
        image_shape_of(record, torch.zeros(3), Path("runs/a/record.json"))
    assert str(refused.value) == (
        "load: runs/a/record.json must tell the size of the images that the network was trained on; it is from before "
        f'records told, and {dataset} has no size of its own. Write it there, as "image_shape": [3, HEIGHT, WIDTH], or '
        "train again."
    )


def test_what_an_old_record_lacks_can_be_written_there(worn, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(worn, folder)
    path = folder / "record.json"
    values = json.loads(path.read_text())
    assert values.pop("image_shape") == [1, 28, 28]
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r'"image_shape": \[1, HEIGHT, WIDTH\]'):
        load(folder)
    path.write_text(json.dumps({**values, "image_shape": [1, 28, 28]}))
    assert load(folder, device="cpu").frame == load(worn, device="cpu").frame


class Hostile:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.message
@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_a_hostile_checkpoint_is_refused_and_not_run(made, tmp_path, form):
    folder, trap = tmp_path / "run", tmp_path / "trap"
    shutil.copytree(made, folder)
    path = folder / "checkpoints/last.ckpt"
    held = torch.load(path, weights_only=True)
    held["callbacks"]["Stranger"] = Hostile(trap)
    if form == "plain":
        path.write_bytes(pickle.dumps(held["callbacks"]))
    else:
        torch.save(held, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(ValueError, match=r"^load: \S+last.ckpt must be a checkpoint of \S+; it ") as refused:
        load(folder)
    assert not trap.exists()
    assert "weights_only" not in str(refused.value)  # no advice to load it unsafely
    assert str(refused.value).count("\n") == 0
    if form == "zip":
        torch.load(path, weights_only=False)
        assert trap.exists()  # the trap works


def cut(folder: Path) -> None:
    path = folder / "checkpoints/last.ckpt"
    path.write_bytes(path.read_bytes()[:-2000])


def flipped(folder: Path) -> None:
    path = folder / "checkpoints/last.ckpt"
    with zipfile.ZipFile(path) as archive:
        biggest = max(archive.infolist(), key=lambda info: info.file_size)
    content = bytearray(path.read_bytes())
    content[biggest.header_offset + biggest.file_size // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.message
@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (
            lambda f: (f / "record.json").unlink(),
            "must have finished; it has no record.json yet. The command that began",
        ),
        (lambda f: (f / "checkpoints/last.ckpt").unlink(), "must hold checkpoints/last.ckpt; it is not there. Was the"),
        (lambda f: shutil.rmtree(f / "checkpoints"), "must hold checkpoints/last.ckpt; it is not there"),
        (cut, "must be a checkpoint of .*; it cannot be loaded"),
        (flipped, "its content is not what was written: the checksum of|it cannot be loaded"),
        (lambda f: (f / "record.json").write_text("{"), "record.json must hold JSON; it ends too early"),
        (lambda f: (f / "record.json").write_text('{"schema": 2}'), "has schema 2; this version reads schema 1"),
    ],
    ids=["unfinished", "no checkpoint", "no checkpoints", "cut", "a bit", "no JSON", "schema"],
)
def test_a_folder_that_cannot_be_used_is_told_in_one_sentence(made, tmp_path, break_it, message):
    folder = tmp_path / "run"
    shutil.copytree(made, folder)
    break_it(folder)
    with pytest.raises(ValueError, match=message) as refused:
        load(folder)
    assert "\n" not in str(refused.value)


def other_weight(checkpoint: dict) -> None:
    state = checkpoint["state_dict"]
    state["model.head.1.weight"] = state["model.head.1.weight"][:, :1]
    del state["model.head.1.bias"]


def infinite(name: str):
    def change(checkpoint: dict) -> None:
        value = checkpoint["state_dict"][name]
        value[(0,) * value.ndim], value[(-1,) * value.ndim] = float("nan"), float("inf")

    return change


@pytest.mark.message
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_weight, "it holds weights of another shape or name: head.1.bias, head.1.weight."),
        (infinite("model.body.0.weight"), "2 numbers of model.body.0.weight are NaN or infinite."),
        (infinite("preprocess.std"), "2 numbers of preprocess.std are NaN or infinite."),
        (infinite("criterion.auxiliaries.0.centers"), "2 numbers of centers are NaN or infinite."),
        (lambda c: c["callbacks"]["History"].update(of="another"), "it is of the training another, and not of "),
        (lambda c: c.pop("callbacks"), "its part callbacks is missing."),
        (lambda c: c.update(state_dict=[1]), "its part state_dict is missing."),
        (lambda c: c["state_dict"].pop("preprocess.mean"), "it does not hold the mean and the deviation of the"),
        (lambda c: c.update(epoch=0), "it ends after epoch 1, and the run after 2."),
        (lambda c: c["state_dict"].update({"preprocess.mean": torch.zeros(1, 1, 1, 1)}), "images of 1 channels"),
    ],
    ids=["shape", "weights", "normalisation", "centers", "run", "callbacks", "state", "mean", "epoch", "channels"],
)  # fmt: skip
def test_a_checkpoint_that_does_not_fit_is_told_in_one_sentence(changed, change, message):
    folder = changed(last=change)
    with pytest.raises(
        ValueError, match=rf"^load: {folder}/checkpoints/last.ckpt must be a checkpoint of {folder}; "
    ) as e:
        load(folder)
    assert message in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.message
def test_what_is_asked_for_and_is_not_there_is_told(made, worn, tmp_path):
    with pytest.raises(ValueError, match=r"^load: nowhere must be the folder of a run; there is no such folder\.$"):
        load("nowhere")
    with pytest.raises(ValueError, match=r"unknown checkpoint 'lats'; known: last, best. Did you mean last\?"):
        load(made, "lats")
    with pytest.raises(ValueError, match=r"had none. Take checkpoint \"last\", or train with --validation_fraction"):
        load(worn, "best")
    with pytest.raises(ValueError, match="load: device cuda:99 is not there"):
        load(made, device="cuda:99")
    with pytest.raises(ValueError, match="load: device must be auto, cpu, cuda"):
        load(made, device="gpu")
    with pytest.raises(ValueError, match='load: resize must be None, "crop", "stretch" or "refuse"; got \'yes\''):
        load(made, resize="yes")
    with pytest.raises(ValueError, match=r"holds no record.json. It has 1 below it, such as \S+run\.$"):
        load(made.parent)
    with pytest.raises(ValueError, match=r"holds no record.json\.$"):
        load(tmp_path)
    with pytest.raises(ValueError, match=r"^load: \S* must be .*; it is a file\. Give the folder it lies in\.$"):
        load(made / "record.json")
    with pytest.raises(ValueError, match=r"^load: folder must be the path of a run's folder; got None\.$"):
        load(None)


@pytest.mark.message
def test_a_run_that_diverged_has_nothing_to_load(changed):
    def diverge(values: dict) -> None:
        values.update(history=[], final={}, plane=None, class_names=[], counts={}, data=None, diverged="in epoch 1")
        values["image_shape"] = None

    folder = changed(record=diverge)
    with pytest.raises(ValueError, match="must not have diverged; its record says: in epoch 1"):
        load(folder)


NET = """
import torch
from pathlib import Path
Path(__file__).with_name("was-run").touch()
class Net(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 4))
        self.head = torch.nn.Linear(4, num_classes)
    def forward(self, images):
        assert len(images), "it takes no empty batch"
        features = self.body(images)
        return features, self.head(features)
"""


@pytest.fixture
def own(tiny, tmp_path, monkeypatch) -> Path:
    """A run of a network of one's own, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("my_net.py").write_text(NET)
    train(
        Run(dataset=tiny, image_size=16, gray=False, model="my_net.py:Net", loss="center@0.1", epochs=1),
        Path("run"),
        QUIET,
    )
    Path("was-run").unlink()
    return Path("run")


@pytest.mark.message
def test_code_of_ones_own_is_imported_only_if_that_is_asked_for(own, tiny):
    script = "import sigma2r, sys; sigma2r.load('run', device='cpu', own_code='yes' in sys.argv)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert not Path("was-run").exists()
    assert told.stderr.splitlines()[-1] == (
        "ValueError: load: the network of this run is code of one's own, my_net.py:Net, and a record alone imports "
        "nothing. If you trust that code, say own_code=True (--own_code true)."
    )
    assert subprocess.run([sys.executable, "-c", script, "yes"], check=False).returncode == 0
    assert Path("was-run").exists()
    trained = load(own, device="cpu", own_code=True)
    assert trained.predict(tiny).accuracy == pytest.approx(trained.record.final["test"]["accuracy"], abs=1e-7)


def test_the_command_line_imports_it_only_if_that_is_asked_for(own, tiny, capsys, tmp_path):
    words = ("predict", own, f"{tiny.removeprefix('folder:')}/test", "--device", "cpu", "--out", tmp_path / "p.csv")
    code, _, err = call(capsys, *words)
    assert code == 1
    assert "say own_code=True (--own_code true)" in err
    assert call(capsys, *words, "--own_code", "true")[0] == 0


def test_a_loss_and_a_data_set_of_ones_own_are_not_needed_and_not_imported(made, changed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("trap.py").write_text("from pathlib import Path\nPath('was-run').touch()\n")
    known = Record.read(made / "record.json").run
    run = dataclasses.replace(known, dataset="trap.py:pets", loss="trap.py:Loss@0.1")

    def rename(values: dict) -> None:
        values.update(run=run.as_dict(), run_id=run.run_id, code=None)

    folder = changed(record=rename, last=lambda checkpoint: checkpoint["callbacks"]["History"].update(of=run.run_id))
    trained = load(folder, device="cpu")
    assert trained.embed(torch.zeros(2, 3, 32, 32)).shape == (2, 2)
    assert trained.centers.shape == (3, 2)
    assert not Path("was-run").exists()


@pytest.mark.message
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([3, 32], "image_shape must be a list of 3, or be null; got a list of 2 numbers."),
        ([3, 0, 32], "image_shape[1] must be a whole number from 1 to 16384; got 0."),
        ([3, 32, 1000000], "image_shape[2] must be a whole number from 1 to 16384; got 1000000."),
        ("32", "image_shape must be a list of 3, or be null; got '32'."),
    ],
    ids=str,
)
def test_a_shape_that_is_none_damages_a_record(changed, shape, message):
    with pytest.raises(ValueError, match="must hold the record of a run; ") as refused:
        load(changed(record=lambda values: values.update(image_shape=shape)))
    assert str(refused.value).endswith(message)


def test_code_that_has_changed_since_is_told(own):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(own, device="cpu", own_code=True)
    Path("my_net.py").write_text(NET + "\n# another line\n")
    with pytest.warns(UserWarning, match=r"^load: the code of my_net.py:Net has changed since the run was trained"):
        load(own, device="cpu", own_code=True)


def test_a_network_of_ones_own_is_never_given_no_images(own, tmp_path):
    trained = load(own, device="cpu", own_code=True)
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"^embed: \S*bad.png must be a readable image"):
        trained.embed(tmp_path / "bad.png")


@pytest.mark.message
def test_what_a_network_is_built_from_and_is_not_installed_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ImportError, match=r'^resnet18 needs more \(.*torchvision.*\): pip install "sigma2r\[train\]"$'):
        model_of({}, Run(model="resnet18"), (3, 32, 32), 3)


def test_a_run_whose_data_are_gone_still_predicts(tiny, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(tiny.removeprefix("folder:"), images)
    run = Run(dataset=f"folder:{images}", epochs=1, batch_size=36, loss="center@0.1")
    train(run, tmp_path / "run", QUIET)
    images.rename(tmp_path / "elsewhere")
    predictions = load(tmp_path / "run", device="cpu").predict(tmp_path / "elsewhere/test")
    assert len(predictions) == 27
    assert predictions.accuracy == pytest.approx(
        Record.read(tmp_path / "run/record.json").final["test"]["accuracy"], abs=1e-7
    )


def test_a_loss_without_centers_has_no_distances(tiny, tmp_path):
    train(Run(dataset=tiny, epochs=1, batch_size=36, loss="cross-entropy"), tmp_path / "run", QUIET)
    trained = load(tmp_path / "run", device="cpu")
    assert trained.centers is None
    assert trained.predict(tiny).distances is None
    assert trained.predict(tiny).distance is None
    with pytest.raises(
        ValueError, match=r"^distances: .* cross-entropy has none. take_means\(\) takes means of images\.$"
    ):
        trained.distances(tiny)
