"""An audit runs no code that a record names unless that is asked for: neither data sets nor losses of one's own."""

from pathlib import Path

import pytest

from sigma2r.audit import audit
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.trained.trust import ask_for_own_code
from tests.audit.conftest import QUIET

DATA = """
import torch
from sigma2r.data import ImageData
open("proof", "a").close()
def held(split):
    generator = torch.Generator().manual_seed(len(split))
    images = torch.randint(256, (40, 1, 16, 16), generator=generator).to(torch.uint8)
    return ImageData(images, torch.arange(40) % 2, ("cat", "dog"))
"""
LOSS = """
from sigma2r import CenterLoss
open("proof", "a").close()
class Mine(CenterLoss):
    pass
"""


@pytest.mark.message
@pytest.mark.parametrize(
    ("kind", "described"),
    [("data set", {"dataset": "pets.py:held", "loss": "center@0.1"}), ("loss", {"loss": "pulls.py:Mine@0.1"})],
)
def test_code_that_a_record_names_is_run_only_if_that_is_asked_for(kind, described, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pets.py").write_text(DATA)
    Path("pulls.py").write_text(LOSS)
    few = {} if kind == "data set" else {"images_per_class": 24}
    train(Run(epochs=1, batch_size=12, **described, **few), tmp_path / "run", QUIET)
    Path("proof").unlink()
    with pytest.raises(ValueError, match=rf"audit: the {kind} of this run is code of one's own, p\w+\.py:"):
        audit(tmp_path / "run", folds=2, cleanlab=False, where=QUIET)
    assert not Path("proof").exists()
    assert len(audit(tmp_path / "run", folds=2, cleanlab=False, own_code=True, where=QUIET).images) >= 80


@pytest.mark.message
def test_so_it_is_where_other_images_are_held_against_those_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pets.py").write_text(DATA)
    train(Run(dataset="pets.py:held", epochs=1, batch_size=12, loss="center@0.1"), tmp_path / "run", QUIET)
    Path("proof").unlink()
    others = Path("others")
    others.mkdir()
    with pytest.raises(ValueError, match=r"audit: the data set of this run is code of one's own, pets\.py:held"):
        audit(tmp_path / "run", str(others), cleanlab=False, where=QUIET)
    assert not Path("proof").exists()


def test_losses_of_a_library_need_no_trust():
    ask_for_own_code("audit", Run(loss="pml:ArcFaceLoss@0.1"), False, "data set", "model", "loss")
