"""The spread and the learning rates in Lightning's log."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from sigma2r import CenterLoss, JointLoss, SigmaSquaredRLoss
from sigma2r.metrics import IntraClassSpread, intra_class_spread


class Logged(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer, self.head = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)
        self.criterion = JointLoss([CenterLoss(2, 3), SigmaSquaredRLoss(2, 3)], [0.1, 0.1])
        self.spread = IntraClassSpread(2, 3, average="macro")
        self.seen = []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        features = self.layer(images)
        self.seen.append((features.detach(), labels))
        self.spread(features, labels)
        self.log("spread", self.spread, on_step=True, on_epoch=True)
        return self.criterion(features, self.head(features), labels)

    def configure_optimizers(self):
        network = [*self.layer.parameters(), *self.head.parameters()]
        return torch.optim.SGD([{"params": network, "lr": 0.01}, *self.criterion.param_groups(lr=0.02)])


@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*", "ignore:.*does not have many workers")
def test_lightning_logs_the_mean_spread_and_the_rate_of_every_group(tmp_path):
    module = Logged()
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, logger=CSVLogger(tmp_path), callbacks=[LearningRateMonitor()],
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(module, DataLoader(TensorDataset(torch.randn(24, 4), torch.arange(24) % 2), batch_size=8))
    features, labels = (torch.cat(part) for part in zip(*module.seen, strict=True))
    assert_close(trainer.callback_metrics["spread_epoch"], intra_class_spread(features, labels, 2).mean())
    rates = {name.partition("/")[2]: float(v) for name, v in trainer.callback_metrics.items() if "lr-" in name}
    assert {name for name, rate in rates.items() if abs(rate - 0.02) < 1e-6} == {"centers", "centers-2", "growth"}


def test_the_mean_is_over_the_classes_that_have_a_spread():
    metric = IntraClassSpread(3, 2, average="macro")
    metric.update(torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]]), torch.tensor([0, 0, 2]))
    assert metric.compute().shape == ()
    assert_close(metric.compute(), torch.tensor(12.5).double().sqrt())


@pytest.mark.message
def test_another_average_is_refused():
    with pytest.raises(ValueError, match=r'IntraClassSpread: average must be "none" or "macro"; got \'mean\''):
        IntraClassSpread(3, 2, average="mean")
