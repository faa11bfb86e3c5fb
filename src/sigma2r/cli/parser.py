"""The words that the command line understands."""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from sigma2r.studies.run import Run
from sigma2r.studies.where import Where

_CONFIG_HELP = "YAML file with any of the values below."


def build_parser() -> ArgumentParser:
    """The parser of all verbs."""
    parser = ArgumentParser(prog="sigma2r", description="Train networks whose features are compact within each class.")
    verbs = parser.add_subcommands(dest="verb")

    verbs.add_subcommand("list", ArgumentParser(), help="Data sets, models, losses with their options, and studies.")

    one = ArgumentParser()
    one.add_argument("--config", action="config", help=_CONFIG_HELP)
    one.add_class_arguments(Run)
    one.add_argument("--out", type=Path | None, help="The run's folder; default runs/<data set>-<loss>-<id>.")
    one.add_class_arguments(Where)
    verbs.add_subcommand("train", one, help="Train one run and leave its record.")

    many = ArgumentParser()
    many.add_argument("--config", action="config", help=_CONFIG_HELP)
    many.add_argument(
        "--losses",
        type=str,
        nargs="+",
        default=["cross-entropy", "center@0.01", "sigma2r@0.01"],
        help="Losses, each with its weight after an @.",
    )
    many.add_argument("--seeds", type=int, default=1, help="Runs of each loss: first weights 0, 1, ...")
    many.add_class_arguments(Run, skip={"loss", "loss_weight", "init_seed"})
    many.add_argument("--out", type=Path | None, help="The comparison's folder; default runs/<data set>-<model>.")
    _add_launcher(many)
    many.add_class_arguments(Where)
    verbs.add_subcommand("compare", many, help="Train several losses and seeds; print a table, write a report.")

    again = ArgumentParser()
    again.add_argument(
        "study", type=str, help="A study that sigma2r list names, all of these, or one's own: package.module:STUDY."
    )
    again.add_argument("--scale", type=str | None, help="How much of it is trained; default: the study's first scale.")
    again.add_argument("--out", type=Path, default=Path("runs/studies"), help="Folder of all studies and their runs.")
    again.add_argument("--records", type=Path | None, help="Folder of the records, one folder a study; default --out.")
    _add_launcher(again)
    again.add_class_arguments(Where)
    verbs.add_subcommand("reproduce", again, help="Train the runs of a study and write its report.")

    told = ArgumentParser()
    told.add_argument("folder", type=Path, help="A folder of run folders or of records.")
    told.add_argument("--out", type=Path | None, help="Where to write the report; default the same folder.")
    told.add_argument("--study", type=str, nargs="+", default=[], help="Studies of one's own that it holds.")
    verbs.add_subcommand("report", told, help="Build table, figures and report.html from records alone.")
    return parser


def _add_launcher(parser: ArgumentParser) -> None:
    parser.add_argument("--launcher", type=Literal["local", "ray"], default="local", help="Who trains the runs.")
    parser.add_argument("--jobs", type=int, default=1, help="Runs at a time on this machine (launcher local).")
    parser.add_argument("--ray_address", type=str | None, help="A Ray cluster; local starts one; default RAY_ADDRESS.")
    parser.add_argument("--gpus_per_run", type=float, default=0.0, help="GPUs that Ray keeps for each run.")


def underscored(argument: str) -> str:
    """Let a user write --data-dir for --data_dir."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value
