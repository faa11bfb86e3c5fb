"""Processes of gloo on this machine: a function is called in each, and what comes of it comes back."""

import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def in_processes(count: int, folder: Path, function: Callable[..., Any], *args: Any, limit: float = 60.0) -> list[Any]:
    """``function(rank, count, *args)`` in each of ``count`` processes: what it returns, or the sentence that it raises.

    Args:
        count: K.
        folder: An empty one.
        function: Of a module, so that a process finds it.
        args: What else it is given.
        limit: Seconds that a process waits for another.
    """
    mp.spawn(_one, (count, str(folder), limit, function, args), nprocs=count)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(count)]


def _one(rank: int, count: int, folder: str, limit: float, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", store, rank=rank, world_size=count, timeout=timedelta(seconds=limit))
    try:
        result = function(rank, count, *args)
    except ValueError as error:
        result = str(error)
    except Exception:  # a test looks at it
        result = traceback.format_exc()
    torch.save(result, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()
