"""Run it again: commands that describe the very runs of a table, and no others."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sigma2r._text import visible
from sigma2r.studies.comparison import run_folder
from sigma2r.studies.losses import ON_LOGITS
from sigma2r.studies.run import STARTS, Run

AGAIN = Path("runs/again")
"""Where several commands put their runs, so that one report shows all of them."""

_OF_A_LOSS = ("loss", "loss_weight", "loss_options", "init_seed")
_FIRST = ("dataset", "model")


def commands(runs: Iterable[Run]) -> list[str]:
    """Commands for a shell that train these runs: one where that is enough.

    ``compare`` takes losses that start alike, each with the first weights 0, 1, ...; what it cannot say is left to
    ``train``, and what no command line can spell to Python. Where runs take place, such as ``--data_dir`` and
    ``--device``, is no part of them.

    Example:
        >>> commands([Run(loss=loss, init_seed=seed) for loss in ("center@0.1", "git@0.01") for seed in (0, 1)])
        ['sigma2r compare --dataset fuzzy-rgb --model lenet --losses center@0.1 git@0.01 --seeds 2']
    """
    together, alone = _divided(runs)
    out = AGAIN if len(together) + sum(map(len, alone)) > 1 else None
    compared = (_compare(losses, seeds, out) for losses, seeds in together)
    return [*compared, *(line for several in alone for line in _train(several, out))]


def _divided(runs: Iterable[Run]) -> tuple[list[tuple[list[Run], int]], list[list[Run]]]:
    """What comparisons make up, each as its losses and its number of seeds, and the other runs of each loss."""
    by_loss: dict[str, dict[int, Run]] = {}
    for run in runs:
        by_loss.setdefault(_but(run, "init_seed"), {})[run.init_seed] = run
    counted, alone = [], []
    for by_seed in by_loss.values():
        seeds = next(n for n in range(len(by_seed) + 1) if n not in by_seed) if _can_be_compared(by_seed) else 0
        counted += [(by_seed[0], seeds)] if seeds else []
        alone += [rest] if (rest := [run for seed, run in by_seed.items() if seed >= seeds]) else []
    # What acts on logits starts in one way, and joins whatever others start in.
    shared: dict[tuple[str, int], str] = {}
    for run, seeds in counted:
        if run.loss not in ON_LOGITS:
            shared.setdefault((_settings(run), seeds), _starts(run))
    together: dict[tuple[str, int, str], list[Run]] = {}
    for run, seeds in counted:
        starts = shared.get((_settings(run), seeds), "") if run.loss in ON_LOGITS else _starts(run)
        together.setdefault((_settings(run), seeds, starts), []).append(run)
    return [(losses, seeds) for (_, seeds, _), losses in together.items()], alone


def _can_be_compared(by_seed: Mapping[int, Run]) -> bool:
    """Whether ``--losses`` takes them: not with layers, which the loss that compare begins with has no use for."""
    run = next(iter(by_seed.values()))
    return _can_be_typed(run) and not run.layers and not run.spelled_loss.startswith("-")


def _can_be_typed(run: Run) -> bool:
    """Whether the command line gives this very run: 10 is no 10.0 there, and the text "1" no text."""
    try:
        spelled = replace(run, loss=run.spelled_loss, loss_options={})
    except ValueError:
        return False
    return spelled.run_id == run.run_id


def _settings(run: Run) -> str:
    return _but(run, *_OF_A_LOSS, *STARTS)


def _but(run: Run, *left_out: str) -> str:
    """The description but for some fields."""
    return json.dumps({key: value for key, value in run.as_dict().items() if key not in left_out}, sort_keys=True)


def _starts(run: Run) -> str:
    return json.dumps([getattr(run, key) for key in STARTS])


def _compare(losses: Sequence[Run], seeds: int, out: Path | None) -> str:
    run = next((run for run in losses if run.loss not in ON_LOGITS), losses[0])
    words = ["sigma2r", "compare", *_data_and_model(run), "--losses", *(run.spelled_loss for run in losses)]
    return _joined([*words, "--seeds", str(seeds), *_changed(run), *(("--out", str(out)) if out else ())])


def _train(runs: Sequence[Run], out: Path | None) -> Iterator[str]:
    """A command for each of the runs, which differ in their first weights."""
    run = runs[0]
    typed = _can_be_typed(run)
    words = ["sigma2r", "train", *_data_and_model(run), *_option("loss", run.spelled_loss)]
    changed = _changed(run)
    for each in runs:
        folder = run_folder((out or AGAIN) / "runs", each)  # where compare keeps it
        seed = ["--init_seed", str(each.init_seed)] if each.init_seed else []
        if typed:
            yield _joined([*words, *seed, *changed, *(("--out", str(folder)) if out else ())])
        else:
            yield _joined(["python", "-c", _PYTHON.format(run=json.dumps(each.as_dict()), folder=str(folder))])


_PYTHON = (
    "import json, pathlib; from sigma2r.studies.run import Run; from sigma2r.studies.train import train; "
    "train(Run.from_dict(json.loads({run!r})), pathlib.Path({folder!r}))"
)


def _data_and_model(run: Run) -> list[str]:
    return [word for key in _FIRST for word in _option(key, getattr(run, key))]


def _changed(run: Run) -> list[str]:
    """Flags for what is not as data set and model have it; how the loss starts comes last."""
    values, usual = run.as_dict(), Run(dataset=run.dataset, model=run.model).as_dict()
    rest = [key for key in values if key not in (*_FIRST, *_OF_A_LOSS, *STARTS)]
    words = []
    for key in (key for key in (*rest, *STARTS) if values[key] != usual[key]):
        if key == "augmentation":
            changed = {name: value for name, value in values[key].items() if value != usual[key][name]}
            words += [word for name, value in changed.items() for word in _option(f"{key}.{name}", value)]
        else:
            words += _option(key, json.dumps(values[key]) if key == "layers" else values[key])
    return words


def _option(name: str, value: object) -> list[str]:
    return [f"--{name}={value}"] if str(value).startswith("-") else [f"--{name}", str(value)]


def _joined(words: Iterable[str]) -> str:
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """A word for a shell; what cannot be seen by its bytes, as bash and zsh read them."""
    if visible(word) == word:
        return shlex.quote(word)
    return "$'" + "".join(map(_quoted_letter, word)) + "'"


def _quoted_letter(letter: str) -> str:
    if letter in "\\'":
        return "\\" + letter
    if visible(letter) == letter:
        return letter
    return "".join(f"\\x{byte:02x}" for byte in letter.encode(errors="surrogateescape"))
