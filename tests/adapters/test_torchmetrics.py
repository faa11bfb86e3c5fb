"""Our metrics in torchmetrics' own tools, and in Lightning's ``self.log``."""

import copy

import pytest
import pytorch_lightning as pl
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MetricCollection, MetricTracker
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.wrappers import BootStrapper

from sigma2r.metrics import IntraClassSpread, intra_class_spread
from tests.adapters import plain
from tests.pages import run_page

FEATURES = torch.randn(3, 60, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 1.0, 2.0]).view(
    3, 1, 1
)
MEANS = [float(intra_class_spread(features, plain.LABELS, 3).mean()) for features in FEATURES]


def macro():
    return IntraClassSpread(3, 4, average="macro")


def test_a_tracker_keeps_the_spread_of_each_epoch_and_knows_that_less_is_better():
    tracker = MetricTracker(macro())  # which way is better is the metric's own to say
    for features in FEATURES:
        tracker.increment()
        for part in range(3):
            tracker.update(features[part::3], plain.LABELS[part::3])
    assert_close(tracker.compute_all(), torch.tensor(MEANS, dtype=torch.float64))
    best, epoch = tracker.best_metric(return_step=True)
    assert epoch == 1
    assert best == pytest.approx(min(MEANS))


def test_a_tracker_of_a_collection_keeps_each_by_its_name():
    spread_alone = MetricTracker(MetricCollection({"spread": macro(), "per class": macro()}), maximize=[False, False])
    spread_alone.increment()
    spread_alone(FEATURES[0], plain.LABELS)
    assert_close(spread_alone.compute()["spread"].item(), MEANS[0])
    assert spread_alone.best_metric()["per class"] == pytest.approx(MEANS[0])


def test_the_spread_of_each_class_is_tracked_but_has_no_best():
    tracker = MetricTracker(IntraClassSpread(3, 4), maximize=False)
    for features in FEATURES:
        tracker.increment()
        tracker.update(features, plain.LABELS)
    expected = torch.stack([intra_class_spread(features, plain.LABELS, 3) for features in FEATURES])
    assert_close(tracker.compute_all(), expected)


def test_it_is_bootstrapped_cloned_and_moved_as_any_metric():
    torch.manual_seed(0)
    shaken = BootStrapper(macro(), num_bootstraps=30, sampling_strategy="multinomial")
    shaken.update(FEATURES[0], plain.LABELS)
    told = shaken.compute()
    assert abs(float(told["mean"]) - MEANS[0]) < 3 * float(told["std"])
    metric = macro()
    metric.update(FEATURES[0], plain.LABELS)
    twin = copy.deepcopy(metric)
    metric.reset()
    assert twin.half().compute() == pytest.approx(MEANS[0])  # sums stay wide


class Logs(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = plain.model()
        self.accuracy = MulticlassAccuracy(3)
        self.spread = macro()
        self.seen = []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return self.model(images, labels=labels)["loss"]

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self.model(images)
        features = self.model.tap.features
        self.seen.append(features)
        self.accuracy(logits, labels)
        self.spread(features, labels)
        self.log_dict({"accuracy": self.accuracy, "spread": self.spread}, on_step=False, on_epoch=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.param_groups(lr=plain.LR, loss_lr=plain.LOSS_LR))


@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*", "ignore:.*does not have many workers")
def test_lightning_logs_it_over_an_epoch_and_starts_anew_with_the_next(tmp_path):
    module = Logs()
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=2, logger=False, enable_progress_bar=False, num_sanity_val_steps=0,
        enable_model_summary=False, enable_checkpointing=False, default_root_dir=tmp_path,
    )  # fmt: skip
    valid = DataLoader(TensorDataset(plain.IMAGES, plain.LABELS), batch_size=25)
    trainer.fit(module, plain.batches(plain.sampler()), valid)
    assert len(module.seen) == 6
    expected = intra_class_spread(torch.cat(module.seen[3:]), plain.LABELS, 3).mean()
    assert_close(trainer.callback_metrics["spread"].double(), expected, rtol=1e-6, atol=0)
    assert 0 <= float(trainer.callback_metrics["accuracy"]) <= 1


def test_the_page_runs(tmp_path):
    run_page("docs/adapters/torchmetrics.md", tmp_path, warnings="ignore")
