"""The paper's studies: what they train at each scale."""

import pytest

from sigma2r.paper.strength import equal_strength
from sigma2r.paper.studies import STUDIES
from sigma2r.studies.run import Run
from sigma2r.studies.tuning import GRID


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("scale", ["desk", "paper"])
def test_every_study_knows_its_runs_and_its_settings(name, scale):
    study = STUDIES[name]
    runs = study.runs(scale, {})
    assert len({run.run_id for run in runs}) == len(runs) > 0
    assert study.settings[scale]
    assert study.title
    names = [part.name for part in study.parts(scale, {})]
    assert len(set(names)) == len(names)
    if scale == "paper" and name.startswith("table"):
        (base, *_) = runs
        assert (base.epochs, base.lr, base.loss_lr, base.optimizer) == (
            500 if name == "table-4" else 300,
            0.4,
            0.1,
            "adam",
        )
        assert base.batch_size == (1000 if name == "table-4" else 256)
        assert max(run.init_seed for run in runs) == 9


def test_the_grid_reaches_a_center_loss_40_times_as_strong_as_the_papers():
    assert 0.01 in GRID
    assert max(GRID) / 0.01 == pytest.approx(40)
    (*center,) = {run.loss_weight for run in equal_strength(Run(loss="center"), 1).runs if run.loss == "center"}
    assert center == [pytest.approx(0.4)]
