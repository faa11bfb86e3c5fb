"""Several processes share an epoch; Lightning hands the sampler its rank."""

import os

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, TensorDataset

from tests.samplers.test_balanced import make, shuffled_labels

COUNTS = [40, 12, 5]


@pytest.mark.parametrize("sampling", ["repeat", "cover"])
@pytest.mark.parametrize("keywords", [{}, {"classes_per_batch": 2}])
@pytest.mark.parametrize("share", [2, 3, 7])
def test_processes_draw_every_sample_between_them_and_have_as_many_batches_each(sampling, keywords, share):
    labels = shuffled_labels(COUNTS, 0)
    alone = make(labels, 6, sampling=sampling, **keywords)
    samplers = [make(labels, 6, sampling=sampling, num_replicas=share, rank=rank, **keywords) for rank in range(share)]
    assert {len(sampler) for sampler in samplers} == {-(-len(alone) // share)}
    parts = [list(sampler) for sampler in samplers]
    assert {len(part) for part in parts} == {len(samplers[0])}
    assert {i for part in parts for batch in part for i in batch} == set(range(len(labels)))
    assert len({tuple(part[0]) for part in parts}) == share  # each its own batches
    assert [sampler.epoch for sampler in samplers] == [1] * share


def test_the_length_that_is_chosen_is_that_of_each_process():
    samplers = [make(shuffled_labels(COUNTS, 0), 6, num_batches=3, num_replicas=2, rank=rank) for rank in range(2)]
    assert [len(list(sampler)) for sampler in samplers] == [3, 3]


def test_a_distributed_sampler_tells_rank_and_number():
    told = DistributedSampler(range(57), num_replicas=3, rank=2)
    labels = shuffled_labels(COUNTS, 0)
    assert list(make(labels, 6, sampler=told)) == list(make(labels, 6, num_replicas=3, rank=2))


class Watched(pl.LightningModule):
    """Notes the samples of each epoch; makes its loader in the hook if it has none."""

    def __init__(self, loader=None):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.made = loader
        self.seen = []

    def train_dataloader(self):
        return self.made or loader()

    def on_train_epoch_start(self):
        self.seen.append([])

    def training_step(self, batch, batch_idx):
        self.seen[-1].append(batch[0].flatten().int().tolist())
        return self.layer(batch[0]).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def loader():
    labels = shuffled_labels(COUNTS, 0)
    numbers = torch.arange(float(len(labels))).unsqueeze(1)
    return DataLoader(TensorDataset(numbers), batch_sampler=make(labels, 6, seed=2, classes_per_batch=2))


def trainer(**keywords):
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **keywords,
    )


def fit(module, **keywords):
    trainer(**keywords).fit(module)
    return module.seen


@pytest.fixture
def _own_processes(monkeypatch):
    """Take back what Lightning leaves of a strategy for many processes."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def epochs(count):
    sampler = loader().batch_sampler
    return [list(sampler) for _ in range(count)]


LIGHTNING = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*", "ignore:.*does not have many workers", "ignore:.*logging interval"
)


@LIGHTNING
@pytest.mark.usefixtures("_own_processes")
@pytest.mark.parametrize("made_in_the_hook", [True, False])
def test_lightning_takes_the_sampler_for_many_processes(made_in_the_hook):
    """One process is enough for its checks, which refused the sampler."""
    assert isinstance(loader().batch_sampler, BatchSampler)
    module = Watched() if made_in_the_hook else Watched(loader())
    assert fit(module, strategy="ddp", max_epochs=2) == epochs(2)


@LIGHTNING
@pytest.mark.usefixtures("_own_processes")
def test_lightning_hands_on_everything_that_decides_the_order():
    labels = shuffled_labels(COUNTS, 0)
    first = make(
        labels, 6, generator=torch.Generator().manual_seed(5), classes_per_batch=2, num_batches=4, sampling="cover"
    )
    seed = first.seed
    first.load_state_dict({"seed": seed + 1, "epoch": 0})
    module = Watched(DataLoader(TensorDataset(torch.arange(57.0).unsqueeze(1)), batch_sampler=first))
    expected = make(labels, 6, seed=seed + 1, classes_per_batch=2, num_batches=4, sampling="cover")
    assert fit(module, strategy="ddp", max_epochs=2) == [list(expected), list(expected)]


@LIGHTNING
def test_lightning_cuts_epochs_short_and_each_begins_another_order():
    found = fit(Watched(loader()), max_epochs=3, limit_train_batches=2)
    assert found == [order[:2] for order in epochs(3)]


@LIGHTNING
def test_lightning_begins_with_the_order_of_the_epoch_it_goes_on_with(tmp_path):
    before = trainer(max_epochs=2)
    before.fit(Watched(loader()))
    before.save_checkpoint(tmp_path / "last.ckpt")
    module = Watched(loader())
    trainer(max_epochs=4).fit(module, ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert module.seen == epochs(4)[2:]
