"""Which weight of a loss is best, as its trial records have it, and whether that is sure.

A trial sets a tenth of each class aside and trains at full length, with three first weights. Weights lie half a decade
apart (1, 3, 10). A search begins a decade to either side of the usual weight of the loss, and goes on by a step as long
as the best lies on an edge, but no farther than three and a half decades.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tools.recompute.records import Record, Setting, Shelf, weight_told
from tools.recompute.sums import mean

SEEDS = range(3)
FARTHEST, FRAME = 7, 2  # half-decades from the usual weight
CHOSEN, AT_LIMIT = "chosen", "chosen; at the limit of the search"

_USUAL = {
    "center": "0.01",
    "sigma2r": "0.00025",  # a fortieth: Z = 40
    "soft-nearest-neighbor": "0.1",
    "label-smoothing": "0.1",
    "arcface": "0.1",
    "supcon": "1",
}


@dataclass(frozen=True)
class Candidate:
    """A loss that wants a weight.

    Args:
        loss: Its name.
        options: Behind the weight, in brackets.
        raised: Whether it is raised, with a weight below 0; its usual one is then a tenth.
    """

    loss: str
    options: str = ""
    raised: bool = False

    def weight(self, step: int) -> float | None:
        """So many half-decades from the usual one; None where there is no such weight."""
        weight = Decimal(_USUAL[self.loss]).scaleb(step // 2) * (3 if step % 2 else 1)
        if abs(step) > FARTHEST or (self.loss == "label-smoothing" and weight >= 1):
            return None
        return float(-weight / 10 if self.raised else weight)

    def at(self, step: int) -> str:
        """The loss as tables call it."""
        weight = self.weight(step)
        assert weight is not None, "only what may be tried is named"
        return f"{self.loss}@{weight_told(weight)}{self.options}"


@dataclass(frozen=True)
class Search:
    """What trials say.

    Args:
        setting: How they are trained.
        tried: Losses of the search so far, the weakest first.
        chosen: The one whose weight is best; None until that is known.
        remark: What a table says beside it.
        overlooked: A weight that is recorded, does better, and was not looked at; empty if there is none.
        seeds: Of each trial.
    """

    setting: Setting
    tried: tuple[str, ...]
    chosen: str | None = None
    remark: str = ""
    overlooked: str = ""
    seeds: range = SEEDS


def searched(shelf: Shelf, setting: Setting, candidate: Candidate) -> Search:
    """The search for a weight, as far as records tell."""
    aside = {**setting, "validation_fraction": 0.1, "measure_every": 0}
    trials = {
        step: [shelf.find(aside, candidate.at(step), seed) for seed in SEEDS]
        for step in range(-FARTHEST, FARTHEST + 1)
        if candidate.weight(step) is not None
    }
    done = {step: [each for each in several if each] for step, several in trials.items() if None not in several}
    reached = {step for step in range(-FRAME, FRAME + 1) if step in trials}
    while reached <= done.keys():
        best = _best({step: done[step] for step in reached})
        further = {best - 1, best + 1} & trials.keys() - reached
        if not further:
            limited = not {best - 1, best + 1} <= trials.keys()
            return Search(
                aside,
                tuple(map(candidate.at, sorted(reached))),
                candidate.at(best),
                AT_LIMIT if limited else CHOSEN,
                _overlooked(candidate, done, best),
            )
        reached |= further
    return Search(aside, tuple(map(candidate.at, sorted(reached))))


def _best(trials: Mapping[int, list[Record]]) -> int:
    """The step with the most images right; of equal ones that with the smaller spread.

    Raises:
        ValueError: If at every weight a run diverged.
    """
    ended = {step: several for step, several in trials.items() if not any(each.diverged for each in several)}
    if not ended:
        raise ValueError("recompute: of a loss a run diverged at every weight; no weight can be chosen.")
    return min(ended, key=lambda step: (-_right(ended[step]), _spread(ended[step])))


def _right(trials: list[Record]) -> int:
    """Images set aside that were told right, in all trials: whole numbers, so that equal is equal."""
    return sum(round(_told(each, "accuracy") * int(each.raw["counts"]["validation"])) for each in trials)


def _spread(trials: list[Record]) -> float:
    return mean([each.figure("final", "validation", "intra_inter") or float("inf") for each in trials])


def _told(trial: Record, key: str) -> float:
    value = trial.figure("final", "validation", key)
    if value is None:
        raise ValueError(f"recompute: the trial of {trial.loss}, seed {trial.seed}, must tell its {key}; it does not.")
    return value


def _overlooked(candidate: Candidate, done: Mapping[int, list[Record]], best: int) -> str:
    really = _best(done)
    return "" if really == best else candidate.at(really)
