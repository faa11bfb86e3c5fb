"""Accelerate, run for real: alone, from a checkpoint, and what it wraps things in where there are two processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.data_loader import prepare_data_loader
from accelerate.state import AcceleratorState, GradientState
from torch.nn.parallel import DistributedDataParallel

from sigma2r.adapters import set_epoch
from tests.adapters import plain
from tests.pages import run_page

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _alone():
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def prepared(model):
    accelerator = Accelerator(cpu=True)
    groups = model.param_groups(lr=plain.LR, loss_lr=plain.LOSS_LR, weight_decay=plain.DECAY)
    optimizer = torch.optim.AdamW(groups)
    return accelerator, *accelerator.prepare(model, optimizer, plain.batches(plain.sampler()))


def train(accelerator, model, optimizer, loader, epochs):
    for epoch in epochs:
        set_epoch(epoch, model, loader)
        for images, labels in loader:
            loss = model(images, labels=labels)["loss"]
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
    return plain.state(accelerator.unwrap_model(model))


def last(states):
    *_, state = states
    return state


def test_network_centers_and_growth_move_as_in_a_plain_loop():
    plain.assert_same(train(*prepared(plain.model()), range(3)), last(plain.plain_loop(3)))


def test_network_and_losses_that_are_prepared_apart_move_alike():
    model, accelerator = plain.model(), Accelerator(cpu=True)
    optimizer = torch.optim.AdamW(
        [
            {"params": model.network.parameters(), "lr": plain.LR, "weight_decay": plain.DECAY},
            *model.criterion.param_groups(lr=plain.LOSS_LR),
        ]
    )
    network, criterion, optimizer, loader = accelerator.prepare(
        model.network, model.criterion, optimizer, plain.batches(plain.sampler())
    )
    for epoch in range(3):
        set_epoch(epoch, criterion, loader)
        for images, labels in loader:
            logits = network(images)
            optimizer.zero_grad()
            accelerator.backward(criterion(model.tap.features, logits, labels))
            optimizer.step()
    plain.assert_same(plain.state(model), last(plain.plain_loop(3)))


def test_going_on_from_a_checkpoint_is_going_on_without_one(tmp_path):
    parts = prepared(plain.model())
    train(*parts, range(2))
    parts[0].save_state(tmp_path)
    resumed = prepared(plain.model(seed=5))
    resumed[0].load_state(tmp_path)
    plain.assert_same(train(*resumed, range(2, 3)), last(plain.plain_loop(3)))


def test_two_processes_share_the_batches_of_each_epoch():
    order = plain.sampler()
    shards = [
        prepare_data_loader(plain.batches(plain.sampler()), num_processes=2, process_index=rank, even_batches=False)
        for rank in (0, 1)
    ]
    for epoch in (0, 3, 1):
        order.set_epoch(epoch)
        set_epoch(epoch, *shards)
        expected = [plain.IMAGES[rows] for rows in order]
        seen = [[images for images, _ in shard] for shard in shards]
        assert [len(each) for each in seen] == [2, 2]  # of five batches the last is left out: it has no partner
        for place, images in enumerate(expected[:4]):
            assert torch.equal(seen[place % 2][place // 2], images)


@pytest.mark.slow
def test_two_processes_train_one_network_with_one_set_of_centers(tmp_path):
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.adapters.two_processes"]
    running = [subprocess.Popen([*command, str(rank), str(tmp_path)], env=here, cwd=ROOT) for rank in (0, 1)]
    assert [process.wait(timeout=240) for process in running] == [0, 0]
    states = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]

    expected, order = plain.model(), plain.sampler()
    groups = expected.param_groups(lr=plain.LR, loss_lr=plain.LOSS_LR, weight_decay=plain.DECAY)
    optimizer = torch.optim.AdamW(groups)
    for epoch in range(2):
        set_epoch(epoch, expected, order)
        rows = list(order)
        for pair in (rows[:2], rows[2:4]):  # each process has the loss of its own batch, and gradients are averaged
            optimizer.zero_grad()
            for each in pair:
                (expected(plain.IMAGES[each], labels=plain.LABELS[each])["loss"] / 2).backward()
            optimizer.step()
    for state in states:
        plain.assert_same(state, plain.state(expected), within=2e-6)  # sums of two in another order


def test_the_epoch_reaches_losses_behind_what_wraps_them(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        model = plain.model()
        wrapped = DistributedDataParallel(model.criterion)
        assert not hasattr(wrapped, "set_epoch")
        set_epoch(2, wrapped)
        assert model.criterion.weights == pytest.approx([0.04, 0.1])
        set_epoch(0, DistributedDataParallel(model))
        assert model.criterion.weights == pytest.approx([0.04 / 3, 0.1])
    finally:
        dist.destroy_process_group()


@pytest.mark.message
def test_wrong_use_is_one_sentence():
    with pytest.raises(
        ValueError, match=r"^set_epoch: a loss, a sampler or a loader must take an epoch.*got a tests\.Network"
    ):
        set_epoch(0, plain.Network())
    with pytest.raises(ValueError, match=r"^set_epoch: epoch must be a whole number of at least 0; got -1\.$"):
        set_epoch(-1, plain.model())
    with pytest.raises(ValueError, match=r"must take an epoch.*got a torch\.DataLoader"):
        set_epoch(0, torch.utils.data.DataLoader(torch.zeros(4, 1)))


def test_the_page_runs(tmp_path):
    run_page("docs/adapters/accelerate.md", tmp_path)
