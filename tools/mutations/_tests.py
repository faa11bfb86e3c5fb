"""Which tests must notice a change, by the part of the source that it is in: the longest path that begins the file's."""

from collections.abc import Iterable
from pathlib import PurePosixPath

LOSSES = (
    "tests/losses/test_contract.py",
    "tests/losses/test_sigma2r.py",
    "tests/losses/test_center_updates.py",
    "tests/losses/test_joint.py",
    "tests/losses/test_numerics.py",
    "tests/losses/test_search.py",
    "tests/losses/test_sparring.py",
    "tests/losses/test_torch_tools.py",
    "tests/losses/test_targets.py",
    "tests/losses/test_options.py",
    "tests/losses/test_recognised.py",
    "tests/losses/test_bad_input.py",
    "tests/losses/test_distances.py",
    "tests/metrics",
)
VALUES = ("tests/test_values.py", "tests/test_arrays.py", "tests/losses/test_options.py")
TAPS = ("tests/test_taps.py", "tests/test_layout.py")
DIAGNOSIS = ("tests/test_diagnosis.py", "tests/test_watch.py")
SETTINGS = (
    "tests/studies/test_run.py",
    "tests/studies/test_losses.py",
    "tests/studies/test_study.py",
    "tests/studies/test_parts.py",
)
SPLITS = ("tests/studies/test_seeds.py", "tests/data/test_loaders.py", "tests/studies/test_data.py")
FITTING = ("tests/studies/test_seeds.py", "tests/studies/test_train.py", "tests/studies/test_folder.py")
OWN_TRAINING = "tests/studies/test_own_training.py"
BESIDE = "tests/studies/test_beside.py"
APART = "tests/studies/test_apart.py"
STRANGERS = "tests/studies/test_strangers.py"
PARTS = "tests/studies/test_parts.py"
LOADING, PREDICTING = "tests/trained/test_loading.py", "tests/trained/test_predicting.py"
USING, WRITING = "tests/trained/test_cli_using.py", "tests/trained/test_writing.py"
FRAMES, FINDING = "tests/trained/test_frame.py", "tests/trained/test_finding.py"
EXPORT, LINES = "tests/exporting/test_export.py", "tests/training/test_lines.py"
KEEPING = ("tests/studies/test_reproduce.py", "tests/studies/test_folder.py")
OWN = ("tests/test_own_code.py", "tests/studies/test_own.py")
AUGMENTATION = "tests/studies/test_augmentation.py"
SOURCES = "tests/studies/test_sources.py"
LISTED = (
    "tests/data/test_layout.py",
    "tests/data/test_datasets.py",
    "tests/data/test_tree.py",
    "tests/data/test_twins.py",
)
WRITTEN = "tests/studies/test_written.py"
PLACES = "tests/studies/test_places.py"
VERDICTS = ("tests/report/test_tables.py", "tests/report/test_paired.py", "tests/report/test_verdicts.py")
PAGES = ("tests/report/test_tables.py", "tests/report/test_report.py", "tests/report/test_document.py")
ODD = ("tests/report/test_odd_records.py",)
PAPER = (
    "tests/paper/test_claims.py",
    "tests/paper/test_published.py",
    "tests/paper/test_geometry.py",
    "tests/paper/test_judges.py",
    "tests/paper/test_report.py",
)
TESTS = {
    **dict.fromkeys(("_values.py", "_kinds.py", "_arrays.py"), VALUES),
    **dict.fromkeys(("_layout.py", "taps.py"), TAPS),
    "_hooks.py": (*TAPS, *DIAGNOSIS),
    "_resolve.py": (OWN[0], BESIDE, OWN_TRAINING),
    "_call.py": (OWN[0], OWN_TRAINING),
    **dict.fromkeys(("_files.py", "_places.py"), ("tests/test_files.py", "tests/test_places.py")),
    "_text.py": ("tests/test_text.py",),
    "_checkpoint.py": (LOADING,),
    "cli/words.py": (USING, "tests/studies/test_cli_words.py"),
    "cli/__init__.py": ("tests/studies/test_cli_words.py", WRITTEN, USING),
    "cli/using.py": (USING,),
    "cli/exporting.py": (EXPORT,),
    **dict.fromkeys(("_extras.py", "cli/version.py", "cli/completion.py"), ("tests/test_extras.py",)),
    "exporting": (EXPORT, "tests/exporting/test_files.py"),
    "training/lines.py": (LINES,),
    "trained": (PREDICTING, WRITING),
    **dict.fromkeys(("trained/loading.py", "trained/shape.py", "trained/weights.py"), (LOADING, PREDICTING)),
    **dict.fromkeys(("trained/frame.py", "trained/arrays.py"), (FRAMES, PREDICTING)),
    **dict.fromkeys(("trained/finding.py", "trained/sources.py"), (FINDING, PREDICTING, WRITING)),
    **dict.fromkeys(("trained/embeddings.py", "trained/rows.py", "trained/writing.py", "trained/tally.py"), (WRITING,)),
    **dict.fromkeys(("trained/reading.py", "trained/forward.py", "trained/trained.py"), (PREDICTING, LOADING)),
    "trained/predictions.py": (PREDICTING,),
    "cli": ("tests/studies/test_cli_words.py", WRITTEN, AUGMENTATION, SOURCES),
    "cli/verbs.py": ("tests/studies/test_cli_words.py", PLACES, APART, SOURCES),
    "cli/registry.py": ("tests/studies/test_cli_words.py", APART),
    "data": ("tests/data",),
    "data/_statuses.py": ("tests/data/test_statuses.py", "tests/data/test_twins.py"),
    "data/images.py": ("tests/data/test_splits.py",),
    "data/splits.py": ("tests/data/test_splits.py", "tests/data/test_layout.py", SOURCES),
    **dict.fromkeys(("data/layout.py", "data/folder_listing.py", "data/listing.py"), (*LISTED, APART)),
    **dict.fromkeys(("data/csv_rows.py", "data/csv_listing.py"), ("tests/data/test_csv.py",)),
    "data/choice.py": ("tests/data/test_choice.py", "tests/data/test_layout.py"),
    "data/resize.py": ("tests/data/test_resize.py",),
    **dict.fromkeys(("data/windows.py", "data/recolor.py"), ("tests/data/test_photographs.py",)),
    "data/augmentation.py": ("tests/data/test_photographs.py", "tests/data/test_augment.py", AUGMENTATION),
    **dict.fromkeys(("data/loaders.py", "data/preprocess.py"), ("tests/data/test_loaders.py",)),
    "data/cifar.py": ("tests/data/test_cifar.py", "tests/data/test_unpack.py", APART),
    "data/threads.py": ("tests/data/test_threads.py",),
    **dict.fromkeys(
        ("data/fashion_mnist.py", "data/fuzzy_rgb.py"),
        ("tests/data/test_datasets.py", "tests/data/test_tree.py"),
    ),
    "data/registry.py": ("tests/data/test_datasets.py", "tests/data/test_layout.py", "tests/data/test_csv.py", APART, SOURCES),
    "data/survey.py": ("tests/data/test_tree.py", "tests/data/test_pixels.py", SOURCES),
    "data/names.py": ("tests/data", APART),
    "data/tree.py": ("tests/data", APART, FINDING),
    "data/pixels.py": ("tests/data", FRAMES),
    "data/augment.py": ("tests/data/test_augment.py", "tests/data/test_photographs.py", AUGMENTATION),
    "data/own.py": (*OWN[:1], STRANGERS, SOURCES),
    "diagnosis": DIAGNOSIS,
    "evaluation/prototypes.py": ("tests/evaluation/test_prototypes.py",),
    "evaluation/rejector.py": ("tests/evaluation/test_rejector.py",),
    "evaluation/thresholds.py": ("tests/evaluation/test_thresholds.py",),
    **dict.fromkeys(("evaluation/scores", "evaluation/shrinkage.py"), ("tests/evaluation/test_scores.py",)),
    "losses": LOSSES,
    "losses/_distances.py": ("tests/losses/test_distances.py",),
    "metrics": LOSSES,
    "metrics/shell.py": ("tests/metrics",),
    "models": ("tests/models",),
    "models/own.py": OWN[:1],
    "paper": PAPER,
    "paper/judges.py": ("tests/paper/test_judges.py",),
    **dict.fromkeys(("paper/studies", "paper/settings.py", "paper/strength.py"), ("tests/paper/test_studies.py",)),
    "cli/streams.py": ("tests/report/test_hostile_text.py",),
    "report": PAGES,
    "report/again.py": ("tests/report/test_again.py",),
    **dict.fromkeys(
        ("report/by_class.py", "report/figures.py", "report/plane.py", "report/picture.py"),
        ("tests/report/test_many_classes.py", "tests/report/test_figures.py", "tests/report/test_report.py", "tests/report/test_sections.py",
         "tests/report/test_hostile_text.py"),
    ),
    "report/groups.py": (*ODD, "tests/report/test_sections.py"),
    "report/owned.py": ("tests/report/test_owned.py", APART),
    "report/terminal.py": ("tests/report/test_terminal.py", "tests/report/test_report.py", "tests/report/test_hostile_text.py", "tests/studies/test_cli.py"),
    **dict.fromkeys(("report/paired.py", "report/verdicts.py"), VERDICTS),
    "report/tables.py": (*VERDICTS, *ODD, "tests/report/test_many_classes.py"),
    **dict.fromkeys(("report/study.py", "report/folder.py"), ("tests/report/test_sections.py", *PAGES)),
    "report/apart.py": ("tests/report/test_apart.py",),
    "report/page.py": ("tests/report/test_sections.py", *PAGES, "tests/report/test_many_classes.py", APART),
    **dict.fromkeys(("report/grid.py", "report/document.py"), (*PAGES, "tests/report/test_hostile_text.py")),
    "samplers": ("tests/samplers",),
    "studies": FITTING,
    "studies/train.py": (*FITTING, KEEPING[0], APART, PLACES, "tests/studies/test_where.py", SOURCES),
    "studies/apart.py": (APART,),
    "studies/build.py": (*FITTING[:2], OWN_TRAINING, AUGMENTATION),
    "studies/trial.py": (OWN_TRAINING, STRANGERS),
    "studies/fit.py": ("tests/studies/test_fit.py", OWN_TRAINING),
    **dict.fromkeys(("studies/run.py", "studies/losses.py", "studies/comparison.py"), (*SETTINGS, *OWN[:1], OWN_TRAINING, WRITTEN, AUGMENTATION, SOURCES)),
    "studies/data.py": (*SPLITS, "tests/studies/test_train.py", STRANGERS, SOURCES),
    **dict.fromkeys(
        ("studies/record.py", "studies/figures.py", "studies/agreement.py", "studies/_laws.py", "studies/_json.py"),
        ("tests/studies/test_record.py", SOURCES),
    ),
    **dict.fromkeys(("studies/study.py", "studies/catalog.py"), ("tests/studies/test_study.py", PARTS, STRANGERS, PLACES)),
    "studies/reproduce.py": ("tests/studies/test_study.py", "tests/studies/test_same_name.py", PLACES, APART, BESIDE, "tests/studies/test_where.py"),
    "studies/estimate.py": ("tests/studies/test_estimate.py",),
    "studies/tuning.py": ("tests/studies/test_tuning.py",),
    "studies/where.py": ("tests/studies/test_where.py",),
    "studies/yardsticks.py": ("tests/studies/test_yardsticks.py",),
    "studies/launch": ("tests/studies/test_launch.py",),
    "studies/launch/task.py": ("tests/studies/test_launch.py", BESIDE),
    "training": ("tests/training", *FITTING[:2]),
    "training/history.py": ("tests/training", *FITTING[1:]),
    "training/trainer.py": ("tests/training", *FITTING[:2], PLACES),
    "training/checkpoints.py": (*FITTING[2:], PLACES),
    "training/stops.py": ("tests/studies/test_stops.py",),
}  # fmt: skip


def tests_of(file: str) -> tuple[str, ...]:
    """The tests of the longest key that begins the path of a file below ``src/sigma2r``."""
    return TESTS[max((key for key in TESTS if f"{file}/".startswith(f"{key}/")), key=len)]


_NAMES = {
    "center": "center_loss",
    "sigma2r": "sigma_squared_r",
    "_spread": "sigma_squared_r",
    "_groups": "sigma_squared_r",
}


def stages_of(file: str) -> tuple[tuple[str, ...], ...]:
    """Words for pytest, stage after stage; of a loss first those in the contract, which mostly are enough."""
    all_of_them = ("-k", "not compiled", *tests_of(file))
    if not file.startswith("losses/"):
        return (all_of_them,)
    loss = file.removeprefix("losses/").removesuffix(".py")
    return (LOSSES[0], "-k", f"{_NAMES.get(loss, loss)} and not compiled and not composition"), all_of_them


def each_once(stages: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Words for pytest that run whatever these run, a file of tests or a folder at a time, and none of them twice."""
    asked: dict[tuple[tuple[str, ...], str], None] = {}
    for stage in stages:
        paths = [word for word in stage if word.startswith("tests/")]
        words = tuple(word for word in stage if word not in paths)
        asked |= dict.fromkeys((words, path) for path in paths)
    return [
        (*words, path)
        for words, path in asked
        if not any((words, str(folder)) in asked for folder in PurePosixPath(path).parents)
    ]
