"""The words that the command line understands."""

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, NoReturn

from jsonargparse import ArgumentParser, Namespace

from sigma2r import __version__
from sigma2r.cli.auditing import WHAT, add_words
from sigma2r.cli.completion import Shell
from sigma2r.cli.words import USES, WrongCallError, add_arguments, underscored, wrong_call
from sigma2r.cli.written import MODE, OURS, description, stands_twice, value
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where

__all__ = ["Parser", "WrongCallError", "build_parser", "underscored"]

_CONFIG_HELP = "YAML file with any of the values below."


class Parser(ArgumentParser):
    """Says what is wrong in one sentence, without the usage before it; a flag is spelled out."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "parser_mode": MODE, **keywords})

    def parse_path(self, path: Any, *args: Any, **keywords: Any) -> Namespace:
        """Read a file of settings.

        Raises:
            WrongCallError: If it is no text, or its values are not what this command takes.
        """
        try:
            settings: Namespace = super().parse_path(path, *args, **keywords)
        except UnicodeDecodeError as error:
            self.error(f"the file of --config must be text in UTF-8; {path} is not. Save it as UTF-8.", error)
        return settings

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Refuse.

        Raises:
            WrongCallError: Always.
        """
        flags = (flag for action in self._actions for flag in action.option_strings)
        raise wrong_call(_in_plain_words(message), flags, self.prog.replace(" [options]", "")) from ex


def _in_plain_words(message: str) -> str:
    """What the parser says, without Python's names of types, and without the content of a file."""
    told = " ".join(message.split())
    if ours := re.search(rf"{OURS[0]}(.*?){OURS[1]}", told):
        key = re.match(r"Parser key \"([\w.]+)\": ", told)
        return ours[1] if key is None or ours[1].startswith(f"{key[1]} ") else f"{key[1]}.{ours[1]}"
    if told.startswith(("Unexpected config", "Problems parsing config", "Unable to parse config")):
        return "the file of --config must be YAML with values that this command takes, as --print_config writes it"
    told = re.sub(r"^Parser key \"([\w.]+)\": ", r"\1: ", told)
    kinds = [_KINDS.get(kind, kind) for kind in dict.fromkeys(re.findall(r"Expected a <class '(\w+)'>", told))]
    if unknown := re.search(r"Unexpected keys: \{(.*?)\}", told):
        return f"{told.partition(':')[0]} does not take {unknown[1].replace(chr(39), '')}"
    if length := re.search(r"Expected a tuple with (\d+) elements", told):
        kinds = [f"a list of {length[1]}", *kinds]
    given = re.search(r"Given value: (.*)$", told) or re.search(r"Got value: ?(.*)$", told)
    if literal := re.search(r"Expected a typing.Literal\[([^\]]*)\]", told):
        kinds = [f"one of {literal[1].replace(chr(39), '')}"]
    if nested := re.search(r"NestedArg\(key='([\w.]+)', val=(.*?)\)", told):
        return f"{told.partition(':')[0]}.{nested[1]} does not take {nested[2].strip(chr(39))}"
    if _KINDS["dict"] in kinds and given and (twice := stands_twice(given[1])):
        return f"{told.partition(':')[0]}.{twice}"
    if kinds and given:
        return f"{told.partition(':')[0]} must be {' or '.join(kinds)}; got {given[1] or 'nothing'}"
    return told


_KINDS = {
    "NoneType": "null",
    "str": "text",
    "dict": "a mapping, {key: value}",
    "tuple": "a list, [value, ...]",
}


def build_parser() -> ArgumentParser:
    """The parser of all verbs."""
    parser = Parser(prog="sigma2r", description="Train networks whose features are compact within each class.")
    parser.add_argument(
        "--version", action="version", version=__version__, help="Tell versions, extras and the device."
    )
    verbs = parser.add_subcommands(dest="verb")

    verbs.add_subcommand("list", Parser(), help="Data sets, models, losses with their options, and studies.")

    one = Parser()
    one.add_argument("--config", action="config", help=_CONFIG_HELP)
    one.add_class_arguments(description(Run))
    one.add_argument("--out", type=Path | None, help="The run's folder; default runs/<data set>-<loss>-<id>.")
    one.add_class_arguments(description(Where))
    verbs.add_subcommand("train", one, help="Train one run and leave its record.")

    many = Parser()
    many.add_argument("--config", action="config", help=_CONFIG_HELP)
    many.add_argument(
        "--losses",
        type=str,
        nargs="+",
        default=["cross-entropy", "center@0.01", "sigma2r@0.01"],
        help="Losses, each with its weight after an @.",
    )
    many.add_argument(
        "--seeds", type=value("compare", "seeds", int), default=1, help="Runs of each loss: first weights 0, 1, ..."
    )
    many.add_argument(
        "--evaluate",
        type=value("compare", "evaluate", bool),
        nargs="?",
        const=True,
        default=False,
        help="Tell of each run what its features are good for, as sigma2r evaluate does, and compare that as well.",
    )
    many.add_argument(
        "--ood",
        type=str,
        nargs="+",
        default=[],
        help="Images of unknown classes for --evaluate: folders or data sets by name.",
    )
    many.add_class_arguments(description(Run), skip={"loss", "loss_weight", "init_seed"})
    many.add_argument("--out", type=Path | None, help="The comparison's folder; default runs/<data set>-<model>.")
    _add_launcher(many)
    many.add_class_arguments(description(Where))
    verbs.add_subcommand("compare", many, help="Train several losses and seeds; print a table, write a report.")

    again = Parser()
    again.add_argument(
        "study", type=str, help="A study that sigma2r list names, all of these, or one's own: package.module:STUDY."
    )
    again.add_argument("--scale", type=str | None, help="How much of it is trained; default: the study's first scale.")
    again.add_argument("--out", type=Path, default=Path("runs/studies"), help="Folder of all studies and their runs.")
    again.add_argument("--records", type=Path | None, help="Folder of the records, one folder a study; default --out.")
    _add_launcher(again)
    again.add_class_arguments(description(Where))
    verbs.add_subcommand("reproduce", again, help="Train the runs of a study and write its report.")

    told = Parser()
    told.add_argument("folder", type=Path, help="A folder of run folders or of records.")
    told.add_argument("--out", type=Path | None, help="Where to write the report; default the same folder.")
    told.add_argument("--study", type=str, nargs="+", default=[], help="Studies of one's own that it holds.")
    verbs.add_subcommand("report", told, help="Build table, figures and report.html from records alone.")
    looked = Parser()
    add_words(looked)
    verbs.add_subcommand("audit", looked, help=WHAT)
    completed = Parser()
    completed.add_argument("shell", type=Shell, help="bash, zsh or tcsh.")
    verbs.add_subcommand("completion", completed, help="Print what lets a shell complete verbs and flags.")
    for verb, what in USES.items():  # which are done without this parser, and are here to be listed
        using = Parser()
        add_arguments(verb, using)
        verbs.add_subcommand(verb, using, help=what)
    return parser


def _add_launcher(parser: ArgumentParser) -> None:
    parser.add_argument("--launcher", type=Literal["local", "ray"], default="local", help="Who trains the runs.")
    jobs, gpus = value("LocalLauncher", "jobs", int), value("RayLauncher", "gpus_per_run", float)
    parser.add_argument("--jobs", type=jobs, default=1, help="Runs at a time on this machine (launcher local).")
    parser.add_argument("--ray_address", type=str | None, help="A Ray cluster; local starts one; default RAY_ADDRESS.")
    parser.add_argument("--gpus_per_run", type=gpus, default=0.0, help="GPUs that Ray keeps for each run.")


def flags(words: Sequence[str]) -> list[str]:
    """Let a user write --data-dir for --data_dir, and --download for --download true.

    Example:
        >>> flags(["train", "--pretrained", "--data-dir", "my-data", "--gray=no", "--download"])
        ['train', '--pretrained=true', '--data_dir', 'my-data', '--gray=no', '--download=true']
    """
    taken = [underscored(word) for word in words]
    behind = [*taken[1:], "--"]
    return [
        f"{word}=true" if word in _SWITCHES and after.startswith("--") else word
        for word, after in zip(taken, behind, strict=True)
    ]


_SWITCHES = {f"--{each.name}" for of in (Run, Where) for each in fields(of) if each.type in (bool, bool | None)}
