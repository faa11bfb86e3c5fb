"""Records as they lie in ``results/``, raw, and shelved by what was trained: settings, loss, first weights."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLAIN: dict[str, Any] = {
    "image_size": None, "gray": None, "pixel_range": None, "missing_classes": False, "images_per_class": None,
    "batch_size": 256, "sampling": "repeat", "optimizer": "adam", "lr": 0.001, "loss_lr": 0.1, "weight_decay": 0.0,
    "precision": "32-true", "validation_fraction": 0.0, "data_seed": 0, "threads": 1,
}  # fmt: skip
"""What a run is where nothing else is said; older records leave some of it out."""

_SAID = ("dataset", "model", "feature_dim", "epochs", "augmentation", "measure_every")
_STARTS: dict[str, Any] = {"layers": [], "warmup_epochs": 0, "center_init": "normal"}
_OF_THE_LOSS = ("loss", "loss_weight", "loss_options", *_STARTS)

Setting = Mapping[str, Any]
"""All fields of a run but those of its loss and its first weights."""


@dataclass(frozen=True, eq=False)
class Record:
    """A raw record, and where it belongs.

    Args:
        raw: What its file holds.
        setting: Fields of the run, but those of the loss and the first weights.
        loss: Name, weight and options.
        seed: Of the first weights.
        identity: The same for the same run: its setting as text, loss and seed.
    """

    raw: Mapping[str, Any]
    setting: Setting
    loss: str
    seed: int
    identity: tuple[str, str, int]

    @property
    def diverged(self) -> str | None:
        """Where its features stopped being finite, if they did."""
        return self.raw.get("diverged")

    def figure(self, *path: str) -> float | None:
        """A number of the record; None where there is none."""
        return number_at(self.raw, *path)

    def of_classes(self, split: str) -> list[float | None]:
        """The spread of each class."""
        found = ((self.raw["final"].get(split) or {}).get("intra")) or []
        known = [number_at({"": value}, "") for value in found][: len(self.raw["class_names"])]
        return [*known, *[None] * (len(self.raw["class_names"]) - len(known))]

    def curve(self, split: str, key: str) -> list[float]:
        """A figure of the epochs in which it was measured."""
        found = (number_at(entry, split, key) for entry in self.raw["history"])
        return [value for value in found if value is not None]


def number_at(values: Any, *path: str) -> float | None:
    """The finite number at the end of a path."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    if isinstance(values, (int, float)) and not isinstance(values, bool) and math.isfinite(values):
        return float(values)
    return None


def settled(setting: Setting) -> str:
    """A setting as text, the same for 10 and 10.0."""
    return json.dumps(_as_float(setting), sort_keys=True)


def _as_float(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_float(each) for key, each in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def loss_name(run: Mapping[str, Any]) -> str:
    """``center@0.01[reduction=sum]``: how tables call the loss of a run."""
    if run["loss"] == "cross-entropy":
        return "cross-entropy"
    told = sorted(run["loss_options"].items())
    told += [(key, run[key]) for key, plain in _STARTS.items() if run.get(key, plain) != plain]
    options = ",".join(f"{key}={'+'.join(value) if isinstance(value, list) else value}" for key, value in told)
    return f"{run['loss']}@{weight_told(run['loss_weight'])}" + (f"[{options}]" if options else "")


def weight_told(weight: float) -> str:
    """A weight as short as it can be told without loss."""
    return f"{weight:g}" if float(f"{weight:g}") == weight else repr(weight)


def shelved(raw: Mapping[str, Any]) -> Record:
    """A raw record with what it belongs to.

    Raises:
        ValueError: If its run has a field that is not known here.
    """
    run = raw["run"]
    unknown = set(run) - {*PLAIN, *_SAID, *_OF_THE_LOSS, "init_seed"}
    if unknown:
        raise ValueError(f"recompute: a run has fields that are not known here: {', '.join(sorted(unknown))}.")
    setting = PLAIN | {key: value for key, value in run.items() if key not in (*_OF_THE_LOSS, "init_seed")}
    loss, seed = loss_name(run), run["init_seed"]
    return Record(raw, setting, loss, seed, (settled(setting), loss, seed))


class Shelf:
    """Records by what was trained.

    Args:
        raw: Records as their files hold them.
        studies: The studies that there is a folder of, by name, each with its scale.
    """

    def __init__(self, raw: Iterable[Mapping[str, Any]], studies: Mapping[str, str]) -> None:
        self.studies = dict(studies)
        self.quarrels: list[str] = []
        self.used: set[tuple[str, str, int]] = set()
        self._by_run: dict[tuple[str, str, int], Record] = {}
        for record in map(shelved, raw):
            other = self._by_run.setdefault(record.identity, record)
            if other.raw != record.raw:
                self.quarrels.append(f"{record.loss}, seed {record.seed}, of {record.setting['dataset']}")

    def __len__(self) -> int:
        return len(self._by_run)

    def find(self, setting: Setting, loss: str, seed: int) -> Record | None:
        """The record of a run, if there is one."""
        wanted = (settled(setting), loss, seed)
        if wanted in self._by_run:
            self.used.add(wanted)
        return self._by_run.get(wanted)


def read(folder: Path) -> Shelf:
    """The records in the folders of studies.

    Raises:
        ValueError: If there is none.
    """
    studies, raw = {}, []
    for told in sorted(folder.glob("*/study.json")):
        values = json.loads(told.read_text(encoding="utf-8"))
        studies[values["study"]] = values["scale"]
        raw += [json.loads(path.read_text(encoding="utf-8")) for path in told.parent.glob("*.json") if path != told]
    if not raw:
        raise ValueError(f"recompute: {folder} must hold folders of studies with their records; there is none.")
    return Shelf(raw, studies)
