"""Runs that start from weights: what the network sees, what the record tells, and weights that are others now."""

import dataclasses
import json
import re
import shlex
import sys
import warnings
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from torch.testing import assert_close

import sigma2r
from sigma2r.cli.parser import build_parser, flags
from sigma2r.cli.verbs import described
from sigma2r.data import load_images
from sigma2r.data.fashion_mnist import DEBIAN_FOLDER
from sigma2r.samplers import BalancedBatchSampler
from sigma2r.studies.build import build
from sigma2r.studies.data import load
from sigma2r.studies.fit import fit
from sigma2r.studies.record import Record, read_records
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where
from sigma2r.training.module import CompactClassifier
from tests.conftest import require
from tests.models.test_backbones import as_safetensors, hub, published  # noqa: F401
from tests.report.conftest import make_record
from tests.studies.test_cli import call
from tests.studies.test_record import at, without
from tests.studies.test_train import numbers

QUIET = Where(device="cpu", progress=False)
RGB_MEAN, RGB_STD = (
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
)  # of ImageNet, as timm tells them for test_efficientnet


@pytest.fixture
def file(tmp_path) -> Path:
    as_safetensors(published("test_efficientnet", classes=0).state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


@pytest.fixture
def run(tiny_run, file) -> Run:
    return dataclasses.replace(
        tiny_run, model="timm:test_efficientnet", weights=str(file), image_size=32, feature_dim=3, epochs=1,
        loss="center@0.1", loss_options={}, measure_every=0,
    )  # fmt: skip


def test_images_are_normalised_as_the_weights_want_them_and_gray_stands_for_all_colours(run):
    split = load(run, QUIET)["train"]
    module = build(run, split, BalancedBatchSampler(split.labels, run.batch_size, seed=0))
    seen = module.preprocess(split.data.images[:4])
    gray = split.data.images[:4].double() / 255
    assert seen.shape == (4, 3, 32, 32)
    for channel, (mean, std) in enumerate(zip(RGB_MEAN, RGB_STD, strict=True)):
        assert_close(seen[:, channel].double(), (gray[:, 0] - mean) / std, rtol=1e-5, atol=1e-6)


def test_first_weights_are_those_of_the_file_and_the_record_names_it(run, file, tmp_path):
    still = dataclasses.replace(run, lr=0.0, loss_lr=0.0, freeze="all")
    model, wanted = fit(still, QUIET).model, published("test_efficientnet", classes=0).state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in model.backbone.state_dict().items())
    record = train(run, tmp_path / "run", QUIET)
    told = record.started_from
    assert told["image_size"] == 160
    assert (told["mean"], told["std"], told["channels"]) == (RGB_MEAN, RGB_STD, 3)
    assert told["classifier"] is False
    assert len(told["sha256"]) == 64
    assert json.loads((tmp_path / "run/run.json").read_text())["started_from"] == told
    assert Record.read(tmp_path / "run/record.json") == record
    buffers = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert_close(buffers["preprocess.mean"].flatten(), 255 * torch.tensor(RGB_MEAN))


def test_the_size_of_the_weights_is_that_of_images_in_a_folder(tiny, file):
    run = Run(dataset=tiny, model="timm:test_efficientnet", weights=str(file))
    assert load(run, QUIET)["test"].data.image_shape == (1, 160, 160)


def test_images_that_have_a_size_are_used_as_they_are_and_that_is_said(run):
    named = dataclasses.replace(
        run, dataset="fuzzy-rgb", image_size=None, resize=None, images_per_class=12, batch_size=12
    )
    told = r"weights of timm:test_efficientnet were trained on images of 160 pixels a side; those of fuzzy-rgb have 32"
    with pytest.warns(UserWarning, match=told):
        assert fit(named, QUIET).record.run.image_size is None


def test_images_of_two_channels_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("two.py").write_text(
        "import torch\nfrom sigma2r.data import ImageData\n"
        "def data(split):\n"
        "    return ImageData(torch.zeros(8, 2, 32, 32, dtype=torch.uint8), torch.arange(8) % 2, ('a', 'b'))\n"
    )
    with pytest.raises(
        ValueError, match=r"for images of 3 channels, or of one that stands for all; those of .* have 2"
    ):
        fit(dataclasses.replace(run, dataset="two.py:data", image_size=None, resize=None, batch_size=4), QUIET)


def test_a_backbone_that_nobody_trained_is_not_frozen_in_silence(run):
    anew = dataclasses.replace(run, weights=None, freeze=1, epochs=2)
    with pytest.warns(
        UserWarning, match=r"the backbone of timm:test_efficientnet is frozen with its first weights, which nobo"
    ):
        fit(anew, QUIET)
    fit(dataclasses.replace(run, freeze=1, epochs=2), QUIET)  # warnings are errors


def other(file):
    as_safetensors(published("test_efficientnet", classes=0, seed=8).state_dict(), file)


def test_a_run_goes_on_with_the_weights_that_it_started_from(run, file, tmp_path, monkeypatch):
    run = dataclasses.replace(run, epochs=2)
    whole = train(run, tmp_path / "whole", QUIET)
    step, kept = CompactClassifier.training_step, file.read_bytes()

    def breaks(self, batch, index):
        if self.current_epoch:
            raise ConnectionError("power cut")
        return step(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(CompactClassifier, "training_step", breaks)
        with pytest.raises(ConnectionError):
            train(run, tmp_path / "cut", QUIET)
    other(file)
    for folder in ("cut", "whole"):  # one that would go on, and one that is finished
        with pytest.raises(
            ValueError, match=r"goes on with the weights that it started from, .*w.safetensors holds others"
        ):
            train(run, tmp_path / folder, QUIET)
    file.write_bytes(kept)
    assert numbers(train(run, tmp_path / "cut", QUIET)) == numbers(whole)
    file.unlink()
    assert train(run, tmp_path / "whole", QUIET) == whole


def test_weights_that_cannot_be_used_leave_no_folder(run, file, tmp_path):
    file.unlink()
    with pytest.raises(ValueError, match="there must be a file of weights at"):
        train(run, tmp_path / "run", QUIET)
    as_safetensors(published("test_resnet").state_dict(), file)
    with pytest.raises(ValueError, match=r"must hold the weights of this very backbone; it lacks conv_stem.weight"):
        train(run, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_a_run_from_the_hub_tells_which_weights_it_had(run, tmp_path, hub):  # noqa: F811
    hub("timm/test_efficientnet.r160_in1k", published("test_efficientnet", classes=1000).state_dict())
    run = dataclasses.replace(run, weights=None, pretrained=True)
    record = train(run, tmp_path / "run", QUIET)
    assert record.started_from["hub"] == "timm/test_efficientnet.r160_in1k"
    assert Record.read(tmp_path / "run/record.json") == record
    assert train(run, tmp_path / "run", QUIET) == record


def record_of(**run):
    record = make_record("center@0.1", model="timm:test_efficientnet", feature_dim=None, image_size=32, **run)
    return json.loads(json.dumps(record.as_dict()))


START = {"sha256": "0" * 64, "classifier": True, "channels": 3, "image_size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}
HUB = {
    "hub": "timm/x",
    "fingerprint": "0" * 16,
    **{key: START[key] for key in ("channels", "image_size", "mean", "std")},
}
TOLD = {
    "weights of a file": ({"weights": "w.pth"}, at("started_from", value=START)),
    "weights of a hub": ({"pretrained": True}, at("started_from", value=HUB)),
    "frozen": ({"freeze": 1}, lambda v: [entry.update(frozen=True) for entry in v["history"]]),
    "a rate": ({"backbone_lr": 0.1}, lambda v: [entry.update(backbone_lr=0.1) for entry in v["history"]]),
    "steps": ({"accumulate": 2}, lambda v: [entry.update(steps=4) for entry in v["history"]]),
    "averaged": ({"ema": 0.9}, lambda v: [entry.update(averaged=4) for entry in v["history"]]),
}


@pytest.mark.parametrize("case", TOLD, ids=str)
def test_what_a_run_tells_of_its_training_is_read_and_must_be_there(tmp_path, case):
    run, change = TOLD[case]
    path = tmp_path / "record.json"
    values = record_of(**run)
    if "weights" not in case:
        path.write_text(json.dumps(values))
        with pytest.raises(ValueError, match=r"history\[0\] lacks"):
            Record.read(path)
    change(values)
    path.write_text(json.dumps(values))
    assert json.loads(json.dumps(Record.read(path).as_dict())) == values
    alien = record_of()
    change(alien)
    path.write_text(json.dumps(alien))
    if "weights of a hub" not in case:
        with pytest.raises(
            ValueError, match=r"history\[0\] (has an unknown part|\S+ must)|history\[0\]\.\S+ must|started_from"
        ):
            Record.read(path)


@pytest.mark.parametrize(
    "change",
    [
        at("started_from", "sha256", value="x"),
        at("started_from", "mean", value=[None]),
        at("started_from", "classifier", value=1),
        at("started_from", "image_size", value=0),
        at("started_from", "more", value=0),
        without("started_from", "channels"),
        at("started_from", value=HUB),
    ],
)
def test_weights_that_are_told_wrong_are_refused(tmp_path, change):
    values = record_of(weights="w.pth")
    values["started_from"] = dict(START)
    change(values)
    (tmp_path / "record.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match="started_from"):
        Record.read(tmp_path / "record.json")


def stopped(**told):
    """Three epochs of ten, the first the best; then patience, which is 2, ended it."""
    record = make_record("center@0.1", feature_dim=None, epochs=10, patience=2, validation_fraction=0.1)
    values = json.loads(json.dumps(record.as_dict()))
    figures, entry = values["final"], values["history"][0]
    values["final"]["validation"] = figures["test"]
    values["counts"]["validation"] = 100
    values["history"] = [{**entry, **values["final"], "epoch": e, "waited": e - 1} for e in (1, 2, 3)]
    values["stopped"] = {"epoch": 3, "best_epoch": 1, "why": "as it was", **told}
    return values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: None, None),
        (without("stopped"), "history must be a list of 10"),
        (at("stopped", "epoch", value=2), "history must be a list of 2"),
        (at("stopped", "epoch", value=True), "history must be a list of 10"),
        (at("stopped", "best_epoch", value=2), "stopped.best_epoch must be 1, as its history tells"),
        (at("stopped", "why", value=3), "stopped.why must be a text"),
        (at("history", 2, "waited", value=1), "history must end after epoch 10, when its run has waited for 2; got 3"),
        (at("history", 1, "waited", value=2), "history must end after epoch 2, when its run has waited for 2; got 3"),
        (at("history", 2, "validation", value=None), "validation of epoch 3 must hold the figures"),
    ],
)
def test_a_stop_agrees_with_its_history(tmp_path, change, message):
    values = stopped()
    change(values)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(values))
    if message is None:
        assert Record.read(path).stopped["epoch"] == 3
        return
    with pytest.raises(ValueError, match=message):
        Record.read(path)


def test_a_run_without_patience_does_not_stop(tmp_path):
    values = stopped()
    values["run"] = Run(loss="center@0.1", epochs=10, validation_fraction=0.1).as_written()
    for entry in values["history"]:
        del entry["waited"]
    values["run_id"] = Run.from_dict(values["run"]).run_id
    (tmp_path / "record.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"stopped\.epoch must be null, for its run has no patience"):
        Record.read(tmp_path / "record.json")


@pytest.fixture
def photographs(tmp_path) -> str:
    """A folder of real images: coats, sneakers and bags, twelve to train and six to test with in each class."""
    require("FashionMNIST (Debian: dataset-fashion-mnist)", DEBIAN_FOLDER.is_dir())
    for split, count in (("train", 12), ("test", 6)):
        data = load_images("fashion-mnist", split)
        for k in (4, 7, 8):
            folder = tmp_path / "photos" / split / data.class_names[k].replace("/", "-")
            folder.mkdir(parents=True)
            for i in (data.labels == k).nonzero().flatten()[:count].tolist():
                Image.fromarray(data.images[i, 0].numpy()).save(folder / f"{i}.png")
    return f"folder:{tmp_path / 'photos'}"


@pytest.mark.filterwarnings("always:train. the first step is far from scale")
@pytest.mark.filterwarnings("always:weights. the classifier of .* is left out")
def test_the_command_of_the_page_trains_on_a_folder_of_real_images(photographs, tmp_path, monkeypatch, capsys, hub):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    as_safetensors(timm.create_model("resnet18", num_classes=7).state_dict(), tmp_path / "resnet18.safetensors")
    words = ["--dataset", photographs, "--model", "timm:resnet18", "--loss", "center@0.1", "--epochs", "2",
             "--batch-size", "12", "--progress", "false", "--device", "cpu"]  # fmt: skip
    code, out, err = call(capsys, "train", *words)
    assert code == 0, err
    assert err.count("\n") <= 1  # features may begin far from the scale of the cross-entropy, which is said
    assert "center@0.1" in out
    more = ["--weights", "resnet18.safetensors", "--image-size", "32", "--freeze", "1", "--backbone_lr", "1e-4",
            "--accumulate", "2", "--ema", "0.9", "--validation_fraction", "0.25", "--patience", "1"]  # fmt: skip
    code, out, err = call(capsys, "train", *words, *more)
    assert code == 0, err
    told = "warning: weights: the classifier of resnet18.safetensors is left out, fc.bias, fc.weight for 7 classes"
    assert err.count(told) == 1
    assert "Weights of images of 224 pixels a side, normalised by mean 0.485, 0.456, 0.406 and deviation 0.229" in out
    plain, full = sorted(read_records(Path("runs")), key=lambda record: record.run.accumulate)
    assert plain.started_from is None
    assert plain.data["train"]["images"] == 36
    assert full.run.weights == "resnet18.safetensors"
    assert [entry["frozen"] for entry in full.history] == [True, False]
    folders = sorted(Path("runs").iterdir())
    code, out, err = call(capsys, "train", *words, "--pretrained")  # the hub's cache is empty, and there is no internet
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(
        "sigma2r: timm:resnet18: the weights of --pretrained must be on timm's hub, as timm/resnet18.a1_in1k"
    )
    assert sorted(Path("runs").iterdir()) == folders


OWN = """
import torch
from torch import nn
from sigma2r.data import ImageData

def data(split):
    labels = torch.arange(24 if split == "train" else 12) % 3
    noise = torch.randint(0, 60, (len(labels), 1, 32, 32), generator=torch.Generator().manual_seed(len(labels)))
    return ImageData((noise + 60 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels, ("a", "b", "c"))

class Loss(nn.Module):
    def __init__(self, num_classes, feature_dim, margin=1.0):
        super().__init__()
        self.centers, self.margin = nn.Parameter(torch.zeros(num_classes, feature_dim)), margin
    def forward(self, features, labels):
        return self.margin * (features - self.centers[labels]).square().sum(1).mean()
"""


def test_data_and_a_loss_of_ones_own_train_with_a_network_of_timm_on_the_command_line(
    file, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    words = ["--dataset", "own.py:data", "--model", "timm:test_efficientnet", "--weights", file.name, "--freeze", "1",
             "--loss", "own.py:Loss@0.01[margin=0.5]", "--epochs", "2", "--batch-size", "12", "--ema", "0.5", "--out",
             "run", "--accumulate", "2", "--feature-dim", "4", "--progress", "false", "--device", "cpu"]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, out, err = call(capsys, "train", *words)
    assert code == 0, err
    assert "own.py:Loss@0.01[margin=0.5]" in out
    assert "trained on images of 160 pixels a side; those of own.py:data have 32, and are used as they are" in err
    assert "accumulate 2 is not the same as batches of 24: own.py:Loss may compare the samples of a batch" in err
    record = Record.read(tmp_path / "run/record.json")
    assert record.code.keys() == {"own.py:data", "own.py:Loss"}
    assert record.started_from["classifier"] is False
    assert [entry["frozen"] for entry in record.history] == [True, False]
    file.unlink()
    trained = sigma2r.load(tmp_path / "run", device="cpu")  # imports nothing of one's own
    assert trained.centers.shape == (3, 4)
    noise = torch.full((2, 1, 32, 32), 90, dtype=torch.uint8)
    assert trained.embed(noise).shape == (2, 4)


@pytest.mark.parametrize("page", ["your-own-network.md", "your-own-images.md"])
def test_the_commands_of_the_pages_are_understood(page):
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    commands = re.findall(r"^\$ sigma2r (.*)$", text, flags=re.MULTILINE)
    assert len(commands) >= 2
    for words in map(shlex.split, commands):
        chosen = build_parser().parse_args(flags(words))
        assert described(chosen[chosen.verb]).dataset.startswith(("folder:", "csv:"))


def test_timm_that_is_missing_is_one_sentence_on_the_command_line(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, "train", "--dataset", tiny, "--model", "timm:resnet18", "--device", "cpu")
    assert code == 1
    assert err.count("\n") == 1
    assert err.endswith('pip install "sigma2r[timm]"\n')
    assert not Path("runs").exists()
