"""What a loss says where a batch is spread over processes, and nothing lets it see all of it."""

import warnings

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def warn_of_others(loss: nn.Module) -> None:
    """Tell once that a loss which learns sees the rows of this process alone."""
    if torch.compiler.is_compiling() or not (dist.is_available() and dist.is_initialized()):
        return
    learns = loss.training and torch.is_grad_enabled() and next(loss.parameters(), None) is not None
    if learns and (others := dist.get_world_size()) > 1:
        loss.told_of_others = True  # type: ignore[assignment]
        warnings.warn(
            f"{type(loss).__name__}: it sees the rows of this process alone, of {others}: what it learns "
            "differs from that of one process. sigma2r.distributed.gather(loss) lets it see all. This is told once.",
            stacklevel=5,
        )


def refuse_within_ddp(who: str) -> None:
    """Refuse what no wrapper for data parallelism keeps equal on all processes.

    Raises:
        ValueError: If a DistributedDataParallel is at work.
    """
    # torch has no public name for it; its own compiler asks the same.
    if getattr(DistributedDataParallel, "_active_ddp_module", None) is not None and dist.get_world_size() > 1:
        raise ValueError(
            f"{who}: center_update='average' moves centers without a gradient, which DistributedDataParallel does not "
            "share: they would differ from process to process. Give the loss to sigma2r.distributed.gather first."
        )
