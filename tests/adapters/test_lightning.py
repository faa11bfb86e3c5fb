"""A LightningModule of one's own with two losses, run for real."""

import warnings

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from sigma2r import Watch
from sigma2r.adapters import WithLoss, own_groups
from tests.adapters import plain
from tests.pages import run_page

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*", "ignore:.*does not have many workers", "ignore:Checkpoint directory .* exists"
)


class Two(pl.LightningModule):
    """Two losses in a joint one, with what a LightningModule of one's own has to say."""

    def __init__(self, seed=0, optimizer=None):
        super().__init__()
        made = plain.model(seed)
        self.network, self.criterion, self.tap = made.network, made.criterion, made.tap
        self.optimizer = optimizer

    def on_train_epoch_start(self):
        self.criterion.set_epoch(self.current_epoch)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        logits = self.network(images)
        return self.criterion(self.tap.features, logits, labels)

    def configure_optimizers(self):
        if self.optimizer is not None:
            return self.optimizer(self)
        network = {"params": self.network.parameters(), "lr": plain.LR, "weight_decay": plain.DECAY}
        return torch.optim.AdamW([network, *self.criterion.param_groups(lr=plain.LOSS_LR)])


class OneModule(Two):
    """The same with one module for both."""

    def __init__(self, seed=0):
        pl.LightningModule.__init__(self)
        self.model = plain.model(seed)

    def on_train_epoch_start(self):
        self.model.set_epoch(self.current_epoch)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return self.model(images, labels=labels)["loss"]

    def configure_optimizers(self):
        return torch.optim.AdamW(self.model.param_groups(lr=plain.LR, loss_lr=plain.LOSS_LR, weight_decay=plain.DECAY))


def fit(module, folder, epochs=3, callbacks=(), resume=None):
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=epochs, logger=CSVLogger(folder), enable_progress_bar=False,
        enable_model_summary=False, log_every_n_steps=1,
        enable_checkpointing=any(isinstance(each, ModelCheckpoint) for each in callbacks),
        callbacks=list(callbacks),
    )  # fmt: skip
    trainer.fit(module, plain.batches(plain.sampler()), ckpt_path=resume, weights_only=False)
    return trainer


def state(module):
    made = module.model if hasattr(module, "model") else WithLoss(module.network, module.criterion, module.tap)
    return plain.state(made)


def last(states):
    *_, end = states
    return end


@pytest.mark.parametrize("kind", [Two, OneModule])
def test_network_centers_and_growth_move_as_in_a_plain_loop_and_rates_are_logged(tmp_path, kind):
    module = kind()
    trainer = fit(module, tmp_path, callbacks=[LearningRateMonitor()])
    plain.assert_same(state(module), last(plain.plain_loop(3)))
    rates = {name.partition("/")[2]: float(v) for name, v in trainer.callback_metrics.items() if name.startswith("lr-")}
    own = {name: rate for name, rate in rates.items() if rate == pytest.approx(plain.LOSS_LR)}
    assert set(own) == {"centers", "growth", "centers-2"}
    assert [group["weight_decay"] for group in trainer.optimizers[0].param_groups] == [plain.DECAY, 0.0, 0.0, 0.0]


def test_going_on_from_a_checkpoint_is_going_on_without_one(tmp_path):
    fit(Two(), tmp_path, epochs=2, callbacks=[ModelCheckpoint(tmp_path, "two")])
    resumed = Two(seed=5)
    fit(resumed, tmp_path, callbacks=[ModelCheckpoint(tmp_path, "three")], resume=tmp_path / "two.ckpt")
    plain.assert_same(state(resumed), last(plain.plain_loop(3)))


def test_groups_are_made_in_an_optimizer_of_all_parameters(tmp_path):
    def of_all(module):
        optimizer = torch.optim.AdamW(module.parameters(), lr=plain.LR, weight_decay=plain.DECAY)
        return own_groups(optimizer, module.criterion, lr=plain.LOSS_LR)

    module = Two(optimizer=of_all)
    fit(module, tmp_path)
    plain.assert_same(state(module), last(plain.plain_loop(3)))


class Watching(pl.Callback):
    """As the page has it."""

    def on_train_start(self, trainer, pl_module):
        self.watch = Watch(pl_module.criterion, optimizer=trainer.optimizers)

    def on_train_batch_end(self, trainer, pl_module, *rest):
        self.watch.observe()


def test_centers_in_no_optimizer_are_told_once(tmp_path):
    def of_network(module):
        return torch.optim.AdamW(module.network.parameters(), lr=plain.LR)

    with pytest.warns(
        UserWarning, match=r"^Watch: .*centers.* will never move: no group of the optimizer holds them"
    ) as told:
        fit(Two(optimizer=of_network), tmp_path, callbacks=[Watching()])
    assert len([each for each in told if "Watch" in str(each.message)]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*|.*does not have many workers|.*Experiment logs.*")
        fit(Two(), tmp_path / "again", callbacks=[Watching()])


def test_the_page_runs(tmp_path):
    run_page("docs/adapters/lightning.md", tmp_path, warnings="ignore")
