"""The training step's guards: weights that break after the last look are seen before a checkpoint is written."""

import pytest
import pytorch_lightning as pl
import torch

from sigma2r.training.module import TrainingDivergedError
from tests.training.test_diagnosis import pytestmark as pytestmark  # what Lightning warns of in so small a training
from tests.training.test_diagnosis import trained


class Breaks(pl.Callback):
    """Puts something that is not finite into one weight behind the last step of the second epoch."""

    def __init__(self, value: float, of: str) -> None:
        self.value, self.of = value, of

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == 1 and batch_idx == 3:
            with torch.no_grad():
                dict(pl_module.named_parameters())[self.of].view(-1)[0] = self.value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("of", ["model.body.0.weight", "criterion.auxiliaries.0.growth"])
def test_one_weight_that_is_not_finite_ends_the_training_with_its_epoch(tmp_path, value, of):
    with pytest.raises(TrainingDivergedError, match=r"became NaN or infinite in epoch 2 at step 4"):
        trained([Breaks(value, of)], tmp_path)
