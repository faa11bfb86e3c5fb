"""What the history keeps of an epoch: means over its batches, and measures when they are due."""

import pytest
import pytorch_lightning as pl

from sigma2r.training.history import History
from tests.training.test_diagnosis import pytestmark as pytestmark  # what Lightning warns of in so small a training
from tests.training.test_diagnosis import trained


class Terms(pl.Callback):
    """The terms of each batch, by epoch."""

    def __init__(self):
        self.seen = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        terms = {name: value.item() for name, value in outputs.items()}
        self.seen.setdefault(trainer.current_epoch + 1, []).append(terms)


def test_losses_of_an_epoch_are_means_over_its_batches(tmp_path):
    terms, history = Terms(), History(lambda module: {}, 1, 2)
    trained([terms, history], tmp_path)
    assert [entry["epoch"] for entry in history.entries] == [1, 2]
    for entry in history.entries:
        batches = terms.seen[entry["epoch"]]
        assert len(batches) == 4
        for kept, name in (("train_loss", "loss"), ("cross_entropy", "cross_entropy"), ("auxiliary", "auxiliary")):
            assert entry[kept] == pytest.approx(sum(batch[name] for batch in batches) / 4, rel=1e-5)


@pytest.mark.parametrize(("every", "due"), [(1, [1, 2, 3, 4]), (3, [3, 4]), (2, [2, 4]), (0, [4])])
def test_measures_are_taken_every_so_many_epochs_and_after_the_last(tmp_path, every, due):
    told = []

    def measure(module):
        told.append(module.current_epoch + 1)
        return {}

    trained([History(measure, every, 4)], tmp_path, epochs=4)
    assert told == due
