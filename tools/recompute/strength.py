"""How strong sigma2R is beside the center loss: measured by its gates at the end of training."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.recompute.records import Setting, Shelf, number_at, weight_told
from tools.recompute.sums import mean

_WEIGHT = 0.01  # of sigma2R, as in the paper


@dataclass(frozen=True)
class Strength:
    """What gates say.

    Args:
        gate: The mean over seeds of the mean gate of the last epoch.
        seeds: How many have one.
    """

    gate: float
    seeds: int

    @property
    def times(self) -> float:
        """A squared distance under a gate of b pulls as half of one does under 2 b; three digits."""
        return _three_digits(2 * self.gate)

    @property
    def center(self) -> str:
        """The center loss of that strength."""
        return f"center@{weight_told(_three_digits(_WEIGHT * self.times))}"


def _three_digits(value: float) -> float:
    return float(f"{value:.2e}")


def measured(shelf: Shelf, setting: Setting, loss: str, seeds: Sequence[int]) -> Strength | None:
    """The strength of a loss; None until all seeds are run, or where no record tells a gate."""
    records = [shelf.find(setting, loss, seed) for seed in seeds]
    if any(record is None for record in records):
        return None
    ended = [record for record in records if record is not None and record.diverged is None]
    found = [number_at(record.raw["history"][-1], "gate", "mean") for record in ended if record.raw["history"]]
    gates = [gate for gate in found if gate is not None]
    return Strength(mean(gates), len(gates)) if gates else None
