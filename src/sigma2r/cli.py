"""The command line: ``sigma2r list``, ``train``, ``compare``, ``reproduce``, ``report``.

Flags and YAML files fill the same description, :class:`sigma2r.studies.run.Run`; ``--print_config`` writes it out.
"""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

INSTALL = 'pip install "sigma2r[train,report]"'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; 0 if it went well, 1 if it could not be done (said in one line), 2 for a wrong call."""
    try:
        parser = build_parser()
        chosen = parser.parse_args([_underscored(a) for a in (sys.argv[1:] if arguments is None else arguments)])
        verb = {"list": _list, "train": _train, "compare": _compare, "reproduce": _reproduce, "report": _report}[
            chosen.verb
        ]
        warnings.showwarning = _warn_in_one_line
        verb(chosen[chosen.verb])
    except ImportError as error:
        return _fail(f"{error}. The command line needs more than the core: {INSTALL}")
    except (ValueError, OSError, RuntimeError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on after the last finished epoch.")
    return 0


def build_parser() -> "ArgumentParser":
    """The parser of all verbs."""
    from jsonargparse import ArgumentParser

    from sigma2r.studies.run import Run
    from sigma2r.studies.study import Scale
    from sigma2r.studies.where import Where

    parser = ArgumentParser(prog="sigma2r", description="Train networks whose features are compact within each class.")
    verbs = parser.add_subcommands(dest="verb")

    verbs.add_subcommand("list", ArgumentParser(), help="Data sets, models and losses with their options.")

    one = ArgumentParser()
    one.add_argument("--config", action="config", help="YAML file with any of the values below.")
    one.add_class_arguments(Run)
    one.add_argument("--out", type=Path | None, help="The run's folder; default runs/<data set>-<loss>-<id>.")
    one.add_class_arguments(Where)
    verbs.add_subcommand("train", one, help="Train one run and leave its record.")

    many = ArgumentParser()
    many.add_argument("--config", action="config", help="YAML file with any of the values below.")
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
    many.add_class_arguments(Where)
    verbs.add_subcommand("compare", many, help="Train several losses and seeds; print a table, write a report.")

    again = ArgumentParser()
    again.add_argument("study", type=str, help="A study of the paper, or all; sigma2r list names them.")
    again.add_argument("--scale", type=Scale, default="desk", help="The paper's settings, or what two cores can do.")
    again.add_argument("--out", type=Path, default=Path("runs/paper"), help="Folder of all studies and their runs.")
    again.add_argument("--records", type=Path | None, help="Folder of the records, one folder a study; default --out.")
    again.add_argument("--launcher", type=Literal["local", "ray"], default="local", help="Who trains the runs.")
    again.add_argument("--jobs", type=int, default=1, help="Runs at a time on this machine (launcher local).")
    again.add_argument("--ray_address", type=str | None, help="A Ray cluster; local starts one; default RAY_ADDRESS.")
    again.add_argument("--gpus_per_run", type=float, default=0.0, help="GPUs that Ray keeps for each run.")
    again.add_class_arguments(Where)
    verbs.add_subcommand("reproduce", again, help="Train the runs of a table or figure of the paper; write its report.")

    told = ArgumentParser()
    told.add_argument("folder", type=Path, help="A folder of run folders or of records.")
    told.add_argument("--out", type=Path | None, help="Where to write the report; default the same folder.")
    verbs.add_subcommand("report", told, help="Build table, figures and report.html from records alone.")
    return parser


def _list(chosen: "Namespace") -> None:
    from sigma2r.data import DATASETS
    from sigma2r.losses.registry import CROSS_ENTROPY, LOSSES, loss_options
    from sigma2r.losses.yardsticks import LABEL_SMOOTHING, YARDSTICKS
    from sigma2r.models import MODELS
    from sigma2r.studies.catalog import STUDIES
    from sigma2r.studies.geometry import COMPUTED

    print("data sets")
    for name, description in DATASETS.items():
        print(f"  {name:24} {description}")
    print("models")
    for name, description in MODELS.items():
        print(f"  {name:24} {description}")
    print("losses (weight after an @; options by --loss_options.NAME)")
    for name in LOSSES:
        options = ", ".join(f"{key}={value!r}" for key, value in loss_options(name).items())
        print(f"  {name:24} {'alone' if name == CROSS_ENTROPY else f'cross-entropy + weight * {name}; {options}'}")
    print("yardsticks (losses of others, used alike)")
    print(f"  {LABEL_SMOOTHING:24} cross-entropy with targets smoothed by the weight")
    for name in YARDSTICKS:
        options = ", ".join(f"{key}={value!r}" for key, value in loss_options(name).items())
        print(f"  {name:24} cross-entropy + weight * {name}; {options}")
    print("studies (sigma2r reproduce NAME)")
    for name, study in STUDIES.items():
        print(f"  {name:24} {study.title} ({study.source})")
    for name, title in COMPUTED.items():
        print(f"  {name:24} {title} (nothing is trained)")


def _train(chosen: "Namespace") -> None:
    from sigma2r.report import print_table
    from sigma2r.studies.train import train

    run, where = _described(chosen)
    out = chosen.out or Path("runs") / f"{_file_name(run.dataset)}-{run.loss_name}-{run.run_id[:8]}"
    print_table([train(run, out, where)])
    print(f"Record: {out / 'record.json'}")


def _compare(chosen: "Namespace") -> None:
    from sigma2r.report import print_table, write_report
    from sigma2r.studies.compare import compare
    from sigma2r.studies.comparison import comparison

    run, where = _described(chosen)
    out = chosen.out or Path("runs") / f"{_file_name(run.dataset)}-{run.model}"
    records = compare(comparison(run, chosen.losses, chosen.seeds), out, where)
    print_table(records)
    print(f"Report: {write_report(records, out)}")


def _reproduce(chosen: "Namespace") -> None:
    from sigma2r._suggest import unknown
    from sigma2r.report import print_table, write_figure_report, write_folder_report
    from sigma2r.studies.catalog import STUDIES
    from sigma2r.studies.geometry import COMPUTED
    from sigma2r.studies.launch import LocalLauncher, RayLauncher
    from sigma2r.studies.reproduce import reproduce

    names = [*COMPUTED, *STUDIES]
    if chosen.study != "all":
        if chosen.study not in names:
            raise unknown("study", chosen.study, sorted(names))
        names = [chosen.study]
    ray = chosen.launcher == "ray"
    launcher = RayLauncher(chosen.ray_address, chosen.gpus_per_run) if ray else LocalLauncher(chosen.jobs)
    where = _where(chosen)
    for name in names:
        if name in COMPUTED:
            print(f"Report: {write_figure_report(name, chosen.out / name)}")
            continue
        study = STUDIES[name]
        print(f"{study.name}, scale {chosen.scale}: {study.settings[chosen.scale]}")
        if chosen.scale == "paper":
            _say_how_long(study, chosen, where)
        records = reproduce(study, chosen.scale, chosen.out, records=chosen.records, where=where, launcher=launcher)
        print_table(records)
        print(f"Report: {write_folder_report((chosen.records or chosen.out) / study.name, chosen.out / study.name)}")


def _say_how_long(study: Any, chosen: "Namespace", where: Any) -> None:
    from sigma2r.studies.estimate import estimate
    from sigma2r.studies.reproduce import Kept

    kept = Kept(chosen.records or chosen.out, study, chosen.scale)
    if runs := study.missing(chosen.scale, kept.done):
        told = estimate(runs, where.device)
        print(
            f"About {told.hours:,.0f} hours on this device, one run after another ({told.runs} runs of {told.kinds} "
            "kinds, each kind timed)."
        )


def _report(chosen: "Namespace") -> None:
    from sigma2r.report import print_table, write_folder_report
    from sigma2r.studies.record import read_records

    out = chosen.out or chosen.folder
    page = write_folder_report(chosen.folder, out)
    if not any(chosen.folder.glob("*/study.json")):
        print_table(read_records(chosen.folder))
    print(f"Report: {page}")


def _described(chosen: "Namespace") -> tuple[Any, Any]:
    """The run and the place that the arguments describe."""
    from sigma2r.studies.run import Run

    values = chosen.as_dict()
    augmentation = values.pop("augmentation", None)
    run = Run.from_dict({"augmentation": augmentation, **{k: v for k, v in values.items() if k in _names(Run)}})
    return run, _where(chosen)


def _where(chosen: "Namespace") -> Any:
    from sigma2r.studies.where import Where

    return Where(**{k: v for k, v in chosen.as_dict().items() if k in _names(Where)})


def _names(description: type) -> set[str]:
    return {field.name for field in fields(description)}


def _file_name(dataset: str) -> str:
    """A data set's name as part of a file name: a folder gives its own last name."""
    return Path(dataset.removeprefix("folder:")).name or "folder"


def _underscored(argument: str) -> str:
    """Let a user write --data-dir for --data_dir."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def _warn_in_one_line(message: Any, category: Any, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _fail(message: str) -> int:
    print(f"sigma2r: {message}", file=sys.stderr)
    return 1
