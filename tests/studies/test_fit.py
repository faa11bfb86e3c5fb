"""What a description becomes before anything is trained: the order of images, the plan; and what is kept afterwards."""

import dataclasses
import warnings
from types import SimpleNamespace

import pytest

from sigma2r.studies import fit as module
from sigma2r.studies.fit import fit
from sigma2r.studies.where import Where

CPU = Where(device="cpu", progress=False, workers=3, diagnose=9)


@pytest.fixture
def planned(monkeypatch):
    """What would be trained, one entry a run; the history has figures that tell the epochs apart."""
    seen = []

    def trains(module, splits, sampler, device, plan, files):
        seen.append((splits, sampler, plan))
        figures = {"accuracy": 0.5, "intra": [1.0] * 3, "intra_mean": 1.0, "inter": 2.0, "intra_inter": 0.5}
        epochs = range(1, plan.epochs + 1)
        seconds = {"train_s": 0.25, "measure_s": 0.5}
        entries = [
            {"epoch": epoch, **seconds, **{name: {**figures, "accuracy": epoch / 8} for name in splits}}
            for epoch in epochs
        ]
        return SimpleNamespace(entries=entries, stopped=None)

    monkeypatch.setattr(module, "fit_module", trains)
    monkeypatch.setattr(module, "plane_of", lambda *_: None)
    return seen


def order(run, planned):
    fit(run, CPU)
    return planned[-1][1].epoch_indices().tolist()


def test_the_data_seed_decides_the_order_of_the_images_and_the_init_seed_does_not(tiny_run, planned):
    first = order(tiny_run, planned)
    assert order(dataclasses.replace(tiny_run, init_seed=1), planned) == first
    assert order(dataclasses.replace(tiny_run, data_seed=1), planned) != first


def test_classes_are_dealt_as_the_run_says(tiny_run, planned):
    for sampling in ("repeat", "cover"):
        fit(dataclasses.replace(tiny_run, sampling=sampling), CPU)
        assert planned[-1][1].sampling == sampling


def test_the_plan_is_that_of_the_run_and_of_where_it_happens(tiny_run, planned):
    run = dataclasses.replace(tiny_run, epochs=5, measure_every=2, center_init="class-means", precision="bf16-mixed")
    fit(run, CPU)
    plan = planned[-1][2]
    assert (plan.epochs, plan.measure_every, plan.centers_at_means) == (5, 2, True)
    assert (plan.precision, plan.workers, plan.diagnose, plan.progress) == ("bf16-mixed", 3, 9, False)
    assert plan.of == run.run_id
    fit(tiny_run, CPU)
    assert planned[-1][2].of == tiny_run.run_id != run.run_id


def test_the_figures_of_the_last_epoch_are_the_final_ones(tiny_run, planned):
    record = fit(dataclasses.replace(tiny_run, epochs=3, validation_fraction=0.25), CPU).record
    assert {split: figures["accuracy"] for split, figures in record.final.items()} == {
        "train": 0.375, "test": 0.375, "validation": 0.375,
    }  # fmt: skip
    assert (record.seconds["train"], record.seconds["measure"]) == (0.75, 1.5)
    assert record.counts["validation"] == 18


def test_half_precision_is_refused_on_a_cpu_before_anything_is_trained(tiny_run, planned):
    with pytest.raises(ValueError, match="precision 16-mixed needs a GPU; on a CPU try bf16-mixed"):
        fit(dataclasses.replace(tiny_run, precision="16-mixed"), CPU)
    assert planned == []


@pytest.mark.parametrize(
    ("changes", "few"),
    [
        ({"batch_size": 36, "loss_options": {"neighbors": 12}}, 12),
        ({"batch_size": 36, "loss_options": {"neighbors": 11}}, None),
        ({"batch_size": 22, "loss_options": {"neighbors": 7}, "sampling": "cover"}, 7),
        ({"batch_size": 24, "loss_options": {"neighbors": 7}, "sampling": "cover"}, None),
        ({"batch_size": 2, "loss_options": {"neighbors": 1}}, None),  # one class of two samples in each batch
        ({"batch_size": 2, "loss_options": {"neighbors": 2}}, 2),
    ],
)
def test_few_neighbours_are_told_by_what_batches_hold(tiny_run, planned, changes, few):
    run = dataclasses.replace(tiny_run, **changes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(run, CPU)
    told = [str(w.message) for w in caught if "neighbours of sigma2r" in str(w.message)]
    assert len(told) == (few is not None)
    assert all(f"the {few} neighbours of sigma2r want {few + 1}." in sentence for sentence in told)
