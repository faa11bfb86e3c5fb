"""Training runs: what they leave, how they go on, and how they break."""

import dataclasses
import json

import pytest
import torch
from torch.testing import assert_close

from sigma2r.losses import SigmaSquaredRLoss
from sigma2r.studies.comparison import AS_DESCRIBED, comparison, comparison_study, run_folder
from sigma2r.studies.losses import LOSSES
from sigma2r.studies.record import Record, read_records
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.train import train
from sigma2r.studies.where import Where, find_device
from sigma2r.training.module import CompactClassifier, TrainingDivergedError

QUIET = Where(device="cpu", progress=False)


def numbers(record: Record) -> dict:
    """A record without what may differ between equal runs: seconds, device name and versions."""
    kept = record.as_dict()
    for key in ("seconds", "device", "versions", "finished"):
        del kept[key]
    kept["history"] = [{k: v for k, v in e.items() if not k.endswith("_s")} for e in kept["history"]]
    return kept


def test_a_run_leaves_a_record_with_all_its_figures(tiny_run, tmp_path):
    run = dataclasses.replace(tiny_run, validation_fraction=0.25)
    record = train(run, tmp_path / "run", QUIET)
    assert Record.read(tmp_path / "run/record.json").as_dict() == record.as_dict()
    assert record.counts == {"train": 54, "validation": 18, "test": 27, "parameters": record.counts["parameters"]}
    assert [entry["epoch"] for entry in record.history] == [1, 2, 3, 4]
    for entry in record.history:
        for split in ("train", "validation", "test"):
            figures = entry[split]
            assert 0 <= figures["accuracy"] <= 1
            assert_close(sum(figures["intra"]) / 3, figures["intra_mean"], rtol=1e-5, atol=0)
            ratio = figures["intra_mean"] / entry["train"]["inter"]
            assert_close(figures["intra_inter"], ratio, rtol=1e-5, atol=0)
        assert len(entry["growth"]) == len(entry["growth_rate"]) == 3
        joint = entry["cross_entropy"] + 0.01 * entry["auxiliary"]
        assert_close(entry["train_loss"], joint, rtol=1e-5, atol=1e-6)
    rates = [(entry["lr"], entry["loss_lr"]) for entry in record.history]
    cosine = [0.5 * (1 + torch.cos(torch.tensor(torch.pi * e / 4)).item()) for e in range(4)]
    assert_close(rates, [(3e-3 * c, 0.1 * c) for c in cosine], rtol=1e-5, atol=0)
    assert record.final["test"] == record.history[-1]["test"]
    assert len(record.plane["features"]) == len(record.plane["labels"]) == 54
    assert record.history[-1]["train_loss"] < record.history[0]["train_loss"]
    left = {path.name for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert {"record.json", "run.json", "last.ckpt", "best.ckpt", "metrics.csv"} <= left
    assert any(name.startswith("events.out.tfevents") for name in left)


def test_the_figures_of_a_record_are_those_of_the_model_that_it_left(tiny_run, tmp_path):
    record = train(tiny_run, tmp_path, QUIET)
    state = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    centers = state["criterion.auxiliaries.0.centers"]
    assert_close(torch.tensor(record.plane["centers"]), centers, rtol=1e-5, atol=1e-6)
    features, labels = torch.tensor(record.plane["features"]).double(), record.plane["labels"]
    for k in range(3):  # 24 images a class: the plane holds them all
        of_class = features[[i for i, label in enumerate(labels) if label == k]]
        spread = (of_class - of_class.mean(0)).square().sum().div(len(of_class) - 1).sqrt()
        assert_close(record.final["train"]["intra"][k], spread.item(), rtol=1e-4, atol=0)


def test_the_same_description_gives_the_same_numbers_and_another_seed_does_not(tiny_run, tmp_path):
    first, second = (train(tiny_run, tmp_path / name, QUIET) for name in ("a", "b"))
    assert numbers(first) == numbers(second)
    other = train(dataclasses.replace(tiny_run, init_seed=1), tmp_path / "c", QUIET)
    order = train(dataclasses.replace(tiny_run, data_seed=1), tmp_path / "d", QUIET)
    assert len({json.dumps(r.history[0]["train_loss"]) for r in (first, other, order)}) == 3


def test_an_interrupted_run_goes_on_to_the_same_numbers(tiny_run, tmp_path, monkeypatch):
    whole = train(tiny_run, tmp_path / "whole", QUIET)
    step = CompactClassifier.training_step

    def breaks_in_the_third_epoch(self, batch, batch_idx):
        if self.current_epoch == 2:
            raise ConnectionError("power cut")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(CompactClassifier, "training_step", breaks_in_the_third_epoch)
        with pytest.raises(ConnectionError):
            train(tiny_run, tmp_path / "cut", QUIET)
    assert not (tmp_path / "cut/record.json").exists()
    trained = []
    monkeypatch.setattr(
        CompactClassifier, "training_step", lambda self, b, i: (trained.append(self.current_epoch), step(self, b, i))[1]
    )
    resumed = train(tiny_run, tmp_path / "cut", QUIET)
    assert set(trained) == {2, 3}
    assert numbers(resumed) == numbers(whole)


def test_a_finished_run_is_read_and_not_trained_again(tiny_run, tmp_path, monkeypatch):
    losses, base = ["cross-entropy", "center@0.1"], dataclasses.replace(tiny_run, loss_options={})
    study = comparison_study(base, losses, 1)
    first = reproduce(study, AS_DESCRIBED, tmp_path, where=QUIET)
    monkeypatch.setattr(CompactClassifier, "training_step", None)
    again = reproduce(study, AS_DESCRIBED, tmp_path, where=QUIET)
    assert [r.as_dict() for r in again] == [r.as_dict() for r in first]
    for record in first:
        assert train(record.run, run_folder(tmp_path / "runs", record.run), QUIET).as_dict() == record.as_dict()
    assert [r.run for r in read_records(tmp_path)] == list(comparison(base, losses, 1))


def test_a_folder_of_another_run_is_never_overwritten(tiny_run, tmp_path):
    train(dataclasses.replace(tiny_run, epochs=1), tmp_path / "run", QUIET)
    before = (tmp_path / "run/record.json").read_bytes()
    with pytest.raises(ValueError, match=r"holds another run, which is never overwritten: lr 0.003 \(wanted 0.5\)"):
        train(dataclasses.replace(tiny_run, epochs=1, lr=0.5), tmp_path / "run", QUIET)
    assert (tmp_path / "run/record.json").read_bytes() == before
    (tmp_path / "run/record.json").unlink()  # unfinished: the description still protects it
    with pytest.raises(ValueError, match="never overwritten"):
        train(dataclasses.replace(tiny_run, epochs=1, lr=0.5), tmp_path / "run", QUIET)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="holds other files"):
        train(tiny_run, tmp_path / "mine", QUIET)


def test_features_that_are_not_finite_name_epoch_and_step_and_keep_the_last_good_checkpoint(
    tiny_run, tmp_path, monkeypatch
):
    step = CompactClassifier.training_step

    def breaks(self, batch, batch_idx):
        images, labels = batch
        bad = self.current_epoch == 2 and batch_idx == 1
        return step(self, (images * torch.nan if bad else images, labels), batch_idx)

    monkeypatch.setattr(CompactClassifier, "training_step", breaks)
    with pytest.raises(TrainingDivergedError, match=r"became NaN or infinite in epoch 3 at step 2\. .*Lower lr"):
        train(tiny_run, tmp_path, QUIET)
    checkpoint = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 1
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())


def test_centers_can_start_at_the_class_means_of_the_first_features(tiny_run, tmp_path):
    started = {}
    for init in ("normal", "class-means"):
        run = dataclasses.replace(tiny_run, center_init=init, epochs=1, lr=0.0, loss_lr=0.0)
        record = train(run, tmp_path / init, QUIET)
        started[init] = torch.tensor(record.plane["centers"]) - torch.tensor(record.plane["means"])
    assert started["class-means"].abs().max() < 1e-4
    assert started["normal"].abs().max() > 0.1


def test_measures_can_wait_for_the_last_epoch(tiny_run, tmp_path):
    seldom = train(dataclasses.replace(tiny_run, measure_every=3), tmp_path / "a", QUIET)
    assert [entry["test"] is not None for entry in seldom.history] == [False, False, True, True]
    last = train(dataclasses.replace(tiny_run, measure_every=0), tmp_path / "b", QUIET)
    assert [entry["test"] is not None for entry in last.history] == [False, False, False, True]
    assert last.final == seldom.final


def test_bfloat16_trains_and_the_loss_stays_float32(tiny_run, tmp_path):
    record = train(dataclasses.replace(tiny_run, precision="bf16-mixed"), tmp_path, QUIET)
    assert record.history[-1]["train_loss"] < record.history[0]["train_loss"]


def test_sgd_and_resnet_train_too(tiny_run, tmp_path):
    run = dataclasses.replace(
        tiny_run, model="resnet18", optimizer="sgd", lr=0.01, loss="center@0.01", loss_options={}, epochs=1
    )
    assert train(run, tmp_path, QUIET).history[0]["loss_lr"] == 0.1


def test_images_on_disk_train_like_images_in_memory(tiny_run, tmp_path, monkeypatch):
    held = train(tiny_run, tmp_path / "held", QUIET)
    monkeypatch.setattr("sigma2r.data.folder.IN_MEMORY_BYTES", 1)
    on_disk = train(tiny_run, tmp_path / "disk", dataclasses.replace(QUIET, workers=0))
    for got, wanted in zip(on_disk.history, held.history, strict=True):
        assert_close(got["train_loss"], wanted["train_loss"], rtol=1e-4, atol=0)


def test_batches_with_too_few_samples_of_a_class_are_said(tiny_run, tmp_path):
    run = dataclasses.replace(tiny_run, loss_options={}, epochs=1, batch_size=18)
    with pytest.warns(UserWarning, match=r"as few as 6 samples of a class; the 7 neighbours .* Batch size 24 would do"):
        train(run, tmp_path, QUIET)


@pytest.mark.message
@pytest.mark.parametrize(
    ("name", "message"), [("gpu0", "must be auto, cpu, cuda"), ("cuda:99", "is not there: .* visible")]
)
def test_a_device_that_is_not_there_is_said(name, message):
    with pytest.raises(ValueError, match=message):
        find_device(name)


@pytest.mark.message
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"record.json must hold JSON; it ends too early\. Was it cut off"),
        ("[]", r"must hold a record with a schema number"),
        ('{"schema": 99}', r"has schema 99; this version reads schema 1"),
        ('{"schema": 1}', r"must describe a run; Run: a description must be a mapping of its fields"),
    ],
)
def test_a_file_that_is_no_record_is_named(tmp_path, content, message):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_records(tmp_path)
    with pytest.raises(ValueError, match=r"must hold run folders with a record.json, or records; there is none"):
        read_records(tmp_path / "nowhere")


def test_diagnosis_goes_to_the_logs_and_changes_no_number(tiny_run, tmp_path):
    plain = train(tiny_run, tmp_path / "plain", QUIET)
    watched = train(tiny_run, tmp_path / "watched", dataclasses.replace(QUIET, diagnose=1))
    assert numbers(plain) == numbers(watched)
    (log,) = (tmp_path / "watched/logs").glob("csv-*/metrics.csv")
    assert "diagnosis/mean_gate" in log.read_text()
    (log,) = (tmp_path / "plain/logs").glob("csv-*/metrics.csv")
    assert "diagnosis" not in log.read_text()


def test_a_weight_that_warms_up_is_that_of_its_epoch(tiny_run, tmp_path):
    record = train(dataclasses.replace(tiny_run, warmup_epochs=tiny_run.epochs), tmp_path, QUIET)
    for entry in record.history:
        weight = tiny_run.loss_weight * entry["epoch"] / tiny_run.epochs
        assert entry["train_loss"] == pytest.approx(entry["cross_entropy"] + weight * entry["auxiliary"], rel=1e-5)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "cross-entropy"])
def test_every_loss_trains_and_its_record_shows_the_centers_that_it_has(tiny_run, tmp_path, loss):
    run = dataclasses.replace(tiny_run, loss=f"{loss}@0.05", loss_options={})
    record = train(run, tmp_path, QUIET)
    assert record.run.loss_name == f"{loss}@0.05"
    assert Record.read(tmp_path / "record.json") == record
    losses = [entry["train_loss"] for entry in record.history]
    assert losses[-1] < losses[0]
    without_centers = ("soft-nearest-neighbor", "nearest-negative-triplet", "contrastive")
    assert (record.plane["centers"] is None) == (loss in without_centers)


def test_a_loss_at_hidden_layers_is_trained_there_and_its_temperature_with_it(tiny_run, tmp_path):
    run = dataclasses.replace(
        tiny_run,
        loss="soft-nearest-neighbor@-0.1",
        loss_options={"temperature": 50.0, "learn_temperature": True},
        layers=("body.2", "body.8"),
    )
    record = train(run, tmp_path / "layers", QUIET)
    state = torch.load(tmp_path / "layers/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    learned = {key: value.item() for key, value in state.items() if key.endswith("log_inverse_temperature")}
    assert len(learned) == 2
    start = -torch.tensor(50.0).log().item()
    assert all(abs(value - start) > 0.1 for value in learned.values())
    assert record.history[0]["train_loss"] < record.history[0]["cross_entropy"]
    alone = train(dataclasses.replace(run, layers=()), tmp_path / "features", QUIET)
    assert alone.final != record.final
    with pytest.raises(ValueError, match=r"unknown layer of the model 'body.22'"):
        train(dataclasses.replace(run, layers=("body.22",)), tmp_path / "wrong", QUIET)


def test_label_smoothing_is_that_of_torch_and_zero_is_cross_entropy(tiny_run, tmp_path):
    plain, none, some = (
        train(dataclasses.replace(tiny_run, loss=loss, loss_options={}), tmp_path / loss, QUIET)
        for loss in ("cross-entropy", "label-smoothing@0", "label-smoothing@0.2")
    )
    assert none.final == plain.final
    assert some.history[0]["cross_entropy"] != plain.history[0]["cross_entropy"]
    assert (
        min(entry["cross_entropy"] for entry in some.history) > -(0.2 * 2 / 3) * torch.tensor(1 / 15).log().item() / 3
    )


@pytest.mark.parametrize("loss", ["arcface@0.1", "supcon@0.1"])
def test_a_yardstick_trains_like_any_other_loss(tiny_run, tmp_path, loss):
    record = train(dataclasses.replace(tiny_run, loss=loss, loss_options={}), tmp_path, QUIET)
    assert Record.read(tmp_path / "record.json") == record
    assert record.history[-1]["train_loss"] < record.history[0]["train_loss"]


def test_fewer_images_of_each_class_can_be_used(tiny_run, tmp_path):
    run = dataclasses.replace(tiny_run, images_per_class=10, validation_fraction=0.25)
    record = train(run, tmp_path / "few", QUIET)
    assert {split: record.counts[split] for split in ("train", "validation", "test")} == {
        "train": 30, "validation": 18, "test": 27,
    }  # fmt: skip
    assert train(dataclasses.replace(run, images_per_class=99), tmp_path / "all", QUIET).counts["train"] == 54


def test_the_tail_is_told_wherever_it_is_measured_and_is_that_of_the_features_that_are_left(tiny_run, tmp_path):
    record = train(tiny_run, tmp_path, QUIET)
    assert "tail_99" in record.history[0]["train"]
    features, labels = record.plane["features"], record.plane["labels"]
    means = record.plane["means"]
    distances = sorted(
        sum((a - b) ** 2 for a, b in zip(x, means[y], strict=True)) ** 0.5
        for x, y in zip(features, labels, strict=True)
    )
    final = record.final["train"]
    assert_close(final["tail_max"], distances[-1] / final["inter"], rtol=1e-4, atol=0)
    assert_close(final["tail_99"], distances[-1] / final["inter"], rtol=1e-4, atol=0)  # 72 images: 99 % is all


def test_gates_are_kept_of_the_last_ten_batches_of_each_epoch(tiny_run, tmp_path, monkeypatch):
    run = dataclasses.replace(tiny_run, batch_size=6, epochs=2, loss_options={"neighbors": 1})
    calls = []

    def counted(self, features, labels):
        calls.append(len(labels))
        return torch.full((len(labels),), float(len(calls)))

    with monkeypatch.context() as patch:
        patch.setattr(SigmaSquaredRLoss, "gate", counted)
        record = train(run, tmp_path / "counted", QUIET)
    assert calls == [6] * 20  # of 12 batches each
    assert [entry["gate"]["mean"] for entry in record.history] == [5.5, 15.5]
    assert [entry["gate"]["low"] for entry in record.history] == [1, 11]
    assert [entry["gate"]["high"] for entry in record.history] == [10, 20]
    for entry in record.history:
        assert entry["gate"]["slope"] == pytest.approx(sum(entry["growth_rate"]) / 3)
    flat = train(
        dataclasses.replace(run, loss_options={"neighbors": 1, "fixed_growth": -50.0}), tmp_path / "flat", QUIET
    )
    assert flat.history[-1]["gate"]["mean"] == pytest.approx(20, abs=0.1)
    assert numbers(train(run, tmp_path / "plain", QUIET))["final"] == numbers(record)["final"]
    other = train(dataclasses.replace(run, loss="center@0.1", loss_options={}), tmp_path / "center", QUIET)
    assert all("gate" not in entry for entry in other.history)
