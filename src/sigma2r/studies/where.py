"""Where runs happen: device, folders, and what is shown meanwhile."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sigma2r._values import Natural, converted


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where runs happen: nothing here changes what they compute.

    Args:
        device: auto, cpu, cuda, cuda:1 or mps.
        data_dir: Folder of the data set's files; default: where they are usually installed.
        download: Fetch the data set if it is nowhere to be found.
        workers: Processes that decode images which do not fit into memory.
        diagnose: Watch the added loss every so many steps: figures in the logs, a warning for what goes wrong; 0: not.
        progress: Show a progress bar, or a line an epoch where no terminal is; default: if a terminal shows it.
    """

    device: str = "auto"
    data_dir: Path | None = None
    download: bool = False
    workers: int = 2
    diagnose: int = 0
    progress: bool | None = None

    def __post_init__(self) -> None:
        """Convert what was given, and refuse what makes no sense; whether the device is there is asked where needed.

        Raises:
            ValueError: If a value is of the wrong kind, or the device is none.
        """
        for name, kind in _WANTED.items():
            object.__setattr__(self, name, converted("Where", name, kind, getattr(self, name)))
        _named(self.device)


_WANTED: dict[str, Any] = {
    "device": str,
    "data_dir": Path | None,
    "download": bool,
    "workers": Natural,
    "diagnose": Natural,
    "progress": bool | None,
}


def find_device(name: str, who: str = "train") -> torch.device:
    """The device that ``name`` means here.

    Args:
        name: auto, cpu, cuda, cuda:1 or mps.
        who: Who asks, for the error.

    Raises:
        ValueError: If there is no such device, or it is not to be had.
    """
    if name == "auto":
        kinds = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        return torch.device(next(kind for kind, present in kinds.items() if present))
    device = _named(name, who)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"{who}: device {name} is not there: {torch.cuda.device_count()} CUDA devices are visible.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"{who}: device mps is not there. Try --device auto.")
    return device


def _named(name: str, who: str = "train") -> torch.device:
    """The device of that name, there or not; ``auto`` may be the CPU.

    Raises:
        ValueError: If there is no such device anywhere.
    """
    with suppress(RuntimeError):
        device = torch.device("cpu" if name == "auto" else name)
        if device.type == "cuda" or (device.type in ("cpu", "mps") and device.index is None):
            return device
    raise ValueError(f"{who}: device must be auto, cpu, cuda, cuda:N or mps; got {name!r}.")


def device_name(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Let torch use so many CPU threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
