"""How long runs will take: counted from few steps, so only what does not depend on the machine is asserted."""

from dataclasses import replace

import pytest

from sigma2r.paper.studies import STUDIES
from sigma2r.studies import estimate as module
from sigma2r.studies.estimate import estimate
from sigma2r.studies.run import Run

RUN = Run(dataset="fuzzy-rgb", loss="sigma2r@0.01", epochs=10, batch_size=32, measure_every=5)


@pytest.fixture
def clock(monkeypatch):
    """Every image takes one millisecond to train on and a quarter of one to measure."""
    monkeypatch.setattr(module, "_time", lambda run, shape, device: (1e-3, 0.25e-3))


def test_hours_are_those_of_all_epochs_and_measures(clock):
    told = estimate([RUN, replace(RUN, init_seed=1)])
    each = 10 * 9_000 * 1e-3 + 3 * (9_000 + 1_500) * 0.25e-3  # two in between, and the pass for the tail
    assert told.hours == pytest.approx(2 * each / 3600)
    assert (told.runs, told.kinds) == (2, 1)


def test_each_kind_is_timed_once(clock):
    runs = [replace(RUN, loss=loss, init_seed=seed) for loss in ("center@0.01", "git@0.01") for seed in range(3)]
    assert (estimate(runs).runs, estimate(runs).kinds) == (6, 2)


def test_of_each_kind_one_run_is_timed(monkeypatch):
    timed = []
    monkeypatch.setattr(module, "_time", lambda run, shape, device: timed.append(run.loss) or (1e-3, 0.25e-3))
    estimate([replace(RUN, loss=loss, init_seed=seed) for seed in range(3) for loss in ("center@0.01", "git@0.01")])
    assert timed == ["center", "git"]


def test_fewer_images_take_less_time(clock):
    run = replace(RUN, measure_every=0)
    third = estimate([replace(run, images_per_class=1_000)]).hours
    assert third * 3600 == pytest.approx(10 * 3_000 * 1e-3 + (3_000 + 1_500) * 0.25e-3)


def test_every_study_of_the_paper_can_be_estimated(clock):
    for name in ("table-1", "table-3", "figure-4", "figure-5"):
        assert estimate(STUDIES[name].missing("paper", {})).hours > 0


def test_a_kind_is_really_timed():
    layers = {"loss": "soft-nearest-neighbor", "loss_weight": -0.01, "layers": ("body.2",)}
    for run in (RUN, replace(RUN, loss="cross-entropy"), replace(RUN, loss_options={}, **layers)):
        assert estimate([run]).hours > 0


@pytest.mark.message
def test_a_folder_of_unknown_size_is_refused():
    with pytest.raises(ValueError, match=r"estimate: the size of folder:images is not known before it is read"):
        estimate([replace(RUN, dataset="folder:images")])
