"""Scripts that let a shell complete verbs, flags and names: written by shtab from the parser of all verbs."""

from argparse import Action, ArgumentParser
from pathlib import Path
from typing import Any, Literal

from sigma2r._extras import or_which_extra

Shell = Literal["bash", "zsh", "tcsh"]


def completion_script(parser: ArgumentParser, shell: Shell) -> str:
    """What a shell sources to complete the words of a parser.

    Args:
        parser: Of all verbs; it is changed, and parses nothing afterwards.
        shell: For which one.

    Raises:
        ImportError: In one sentence, if shtab is missing.
    """
    with or_which_extra("completion"):
        import shtab
    for action in _actions(parser):
        _prepare(action, shtab)
    script: str = shtab.complete(parser, shell=shell)
    return script


def _actions(parser: ArgumentParser) -> list[Action]:
    """Those of a parser and of its verbs."""
    own = list(parser._actions)
    verbs = [verb for action in own if isinstance(action.choices, dict) for verb in action.choices.values()]
    return own + [action for verb in verbs for action in _actions(verb)]


def _prepare(action: Action, shtab: Any) -> None:
    """Give an action the names that may follow it; where a path may, the shell knows them."""
    names = _names().get(action.dest)
    if names is not None:
        action.choices = names
    elif action.dest in ("run", "folder", "out", "data_dir", "records"):
        action.complete = shtab.FILE if action.dest == "out" else shtab.DIRECTORY  # type: ignore[attr-defined]
    elif action.dest in ("sources", "images", "data", "ood", "config", "weights") or action.type is Path:
        action.complete = shtab.FILE  # type: ignore[attr-defined]


def _names() -> dict[str, list[str]]:
    """What may stand behind a flag, or in a verb's place, by the name of the parameter."""
    from sigma2r.cli import registry
    from sigma2r.data import DATASETS
    from sigma2r.evaluation import SCORES
    from sigma2r.models import MODELS
    from sigma2r.studies.losses import LOSSES
    from sigma2r.studies.yardsticks import LABEL_SMOOTHING, YARDSTICKS
    from sigma2r.trained.loading import CHECKPOINTS

    losses = [*LOSSES, LABEL_SMOOTHING, *YARDSTICKS]
    names = {
        "dataset": list(DATASETS),
        "model": list(MODELS),
        "loss": losses,
        "losses": losses,
        "study": ["all", *registry.names()],
        "checkpoint": list(CHECKPOINTS),
        "split": ["train", "test", "val"],
        "score": list(SCORES),
    }
    return {where: [name for name in known if ":" not in name] for where, known in names.items()}
