"""What a run left: the one machine-readable truth that tables, figures and reports are built from."""

import json
import math
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sigma2r._files import read_whole, write_whole
from sigma2r._places import is_folder
from sigma2r.studies._json import NoJsonError, parsed
from sigma2r.studies._laws import BrokenLawError, obey
from sigma2r.studies.agreement import check_agreement
from sigma2r.studies.figures import record_law
from sigma2r.studies.losses import CROSS_ENTROPY
from sigma2r.studies.run import Run
from sigma2r.studies.where import device_name


class DamagedFileError(ValueError):
    """A file does not hold what it should: cut off, or of another kind."""


SCHEMA = 1
RECORD_FILE = "record.json"
_LATER = ("image_shape", "started_from", "stopped")  # parts that came later, and are left out where None
STUDY_FILE = "study.json"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished run: its description, its history by epoch, its final figures, and where it ran.

    Accuracies are fractions, spreads and distances are in feature units, durations in seconds. A class of one
    sample has no spread: None. See ``docs/measures.md`` for each figure.

    A run whose features stopped being finite has no final figures; ``diverged`` then says where that was.
    """

    run: Run
    class_names: tuple[str, ...]
    counts: dict[str, int]
    history: tuple[dict[str, Any], ...]
    final: dict[str, Any]
    plane: dict[str, Any] | None
    versions: dict[str, str]
    device: dict[str, Any]
    seconds: dict[str, float]
    finished: str
    diverged: str | None = None
    data: dict[str, dict[str, Any]] | None = None
    """Fingerprint, images and classes of each split's data set; None in records from before it was told."""
    code: dict[str, str] | None = None
    """What the code of one's own was, by its path."""
    image_shape: tuple[int, int, int] | None = None
    """Channels, height and width of the images that the network sees; None in records from before it was told."""
    started_from: dict[str, Any] | None = None
    """The weights that a model of timm started from, and what they expect of images; None if it started anew."""
    stopped: dict[str, Any] | None = None
    """After which epoch the training ended before its time, the best epoch until then, and why; None: it did not."""

    @property
    def run_id(self) -> str:
        """The name of the run's description."""
        return self.run.run_id

    def as_dict(self) -> dict[str, Any]:
        """The record as plain values, for JSON."""
        left_out = {"run", *(name for name in _LATER if getattr(self, name) is None)}
        values = {key: value for key, value in asdict(self).items() if key not in left_out}
        return {"schema": SCHEMA, "run_id": self.run_id, "run": self.run.as_written(), **values}

    def write(self, path: Path) -> None:
        """Write the record whole or not at all.

        Raises:
            OSError: If the folder cannot be written to; an older file at ``path`` is then still whole.
        """
        write_json(path, self.as_dict())

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read a record.

        Raises:
            DamagedFileError: If the file is not a record.
            ValueError: If it is one of a schema that this version does not know.
        """
        values = read_json(path)
        if not isinstance(values, dict) or "schema" not in values:
            raise DamagedFileError(f"Record: {path} must hold a record with a schema number; it holds none.")
        if type(values["schema"]) is not int or values["schema"] != SCHEMA:
            raise ValueError(
                f"Record: {path} has schema {values['schema']}; this version reads schema {SCHEMA}. "
                "Was it written by a newer sigma2r?"
            )
        described: Any = values.get("run")
        try:
            run = Run.from_record(described)
        except ValueError as error:
            raise DamagedFileError(f"Record: {path} must describe a run; {error}") from error
        kept = {name: value for name, value in values.items() if name not in ("schema", "run")}
        try:
            _check_content(run, kept)
        except BrokenLawError as error:
            raise DamagedFileError(f"Record: {path} must hold the record of a run; {error}.") from error
        tuples = ("class_names", "history", "image_shape")
        kept |= {name: tuple(kept[name]) for name in tuples if kept.get(name) is not None}
        return cls(run=run, **{name: value for name, value in kept.items() if name != "run_id"})


def _check_content(run: Run, values: Mapping[str, Any]) -> None:
    """Refuse what is no record of a run, or contradicts itself.

    Args:
        run: The run.
        values: All but schema and run, as JSON gives it.

    Raises:
        BrokenLawError: In half a sentence, that names the field.
    """
    names = values.get("class_names")
    num_classes = len(names) if isinstance(names, list) else 0
    stopped = values.get("stopped")
    epochs = stopped.get("epoch") if isinstance(stopped, Mapping) and type(stopped.get("epoch")) is int else None
    diverged, data = values.get("diverged") is not None, values.get("data")
    obey(record_law(run, num_classes, diverged=diverged, data=data, epochs=epochs), values)
    check_agreement(run, values)


def read_records(folder: Path) -> list[Record]:
    """All records below ``folder`` (run folders, or a flat folder of records), by loss, weight and seed.

    Raises:
        ValueError: If there is none, or one cannot be read.
    """
    is_folder(folder)
    below = [path for path in folder.rglob("*.json") if path.name == RECORD_FILE]  # also where it is no file
    flat = (path for path in folder.glob("*.json") if path.name != STUDY_FILE)
    kept = (path for path in folder.glob("*/*.json") if re.fullmatch(r"[0-9a-f]{16}\.json", path.name))
    paths = sorted(below) or sorted(flat) or sorted(kept)
    if not paths:
        raise ValueError(
            f"Record: {folder} must hold run folders with a {RECORD_FILE}, or records; there is none. "
            "sigma2r train and sigma2r compare write them."
        )
    return sorted((Record.read(path) for path in paths), key=_order)


def _order(record: Record) -> tuple[object, ...]:
    run = record.run
    return (
        run.dataset,
        run.model,
        run.loss != CROSS_ENTROPY,  # the baseline first
        run.loss,
        run.loss_weight,
        run.loss_name,
        run.init_seed,
        run.data_seed,
        run.run_id,
    )


def write_json(path: Path, values: object) -> None:
    """Write JSON whole or not at all."""
    write_whole(path, (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        DamagedFileError: Naming the file, if it is not JSON.
        ValueError: If it is no file.
    """
    content = read_whole(path)
    try:
        return parsed(content)
    except NoJsonError as error:
        raise DamagedFileError(
            f"Record: {path} must hold JSON; {error} Move it away to train that run again."
        ) from error


def number(value: float) -> float | None:
    """Seven significant digits, which is what float32 holds; None for NaN and infinity, which JSON has not."""
    return float(f"{value:.7g}") if math.isfinite(value) else None


def numbers(values: Iterable[float]) -> list[float | None]:
    """:func:`number` of each."""
    return [number(value) for value in values]


def plain(values: Any) -> Any:
    """Floats to seven significant digits, NaN to None, all the way down."""
    if isinstance(values, float):
        return number(values)
    if isinstance(values, dict):
        return {key: plain(value) for key, value in values.items()}
    return [plain(value) for value in values] if isinstance(values, (list, tuple)) else values


def describe_device(device: torch.device, threads: int) -> dict[str, Any]:
    """What computes, as far as numbers may depend on it: sums come out differently with other instructions."""
    described = {"type": device.type, "name": device_name(device), "threads": threads}
    if device.type == "cpu":
        described["instructions"] = torch.backends.cpu.get_cpu_capability()
    return described


def versions() -> dict[str, str]:
    """The versions that numbers may depend on."""
    packages = ("sigma2r", "torch", "torchvision", "pytorch-lightning")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
