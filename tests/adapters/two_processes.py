"""One of two processes that train together with Accelerate: python -m tests.adapters.two_processes RANK FOLDER."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch.nn.parallel import DistributedDataParallel

from sigma2r.adapters import set_epoch
from tests.adapters import plain


def main(rank: int, folder: Path) -> None:
    """Leave behind what was trained, and the samples of each step."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    made = plain.model()
    groups = made.param_groups(lr=plain.LR, loss_lr=plain.LOSS_LR, weight_decay=plain.DECAY)
    model, optimizer, loader = accelerator.prepare(made, torch.optim.AdamW(groups), plain.batches(plain.sampler()))
    assert isinstance(model, DistributedDataParallel)
    for epoch in range(2):
        set_epoch(epoch, model, loader)
        for images, labels in loader:
            optimizer.zero_grad()
            accelerator.backward(model(images, labels=labels)["loss"])
            optimizer.step()
    torch.save(plain.state(made), folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
