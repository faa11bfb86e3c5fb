"""Words that are understood without the parser of training: those of verbs that use a trained run."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn

from sigma2r._values import Count, Natural, Positive, converted


class WrongCallError(Exception):
    """Words that no verb understands."""


def underscored(argument: str) -> str:
    """Let a user write --data-dir for --data_dir."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def wrong_call(told: str, flags: Iterable[str], prog: str) -> WrongCallError:
    """The error for words that are not understood: what is wrong, the flags that are near, and who explains."""
    if told.startswith("unrecognized arguments: --"):
        near = get_close_matches(told.split()[2].partition("=")[0], list(flags), n=2, cutoff=0.6)
        told += f". Did you mean {' or '.join(near)}?" if near else ""
    end = "" if told.endswith(("?", ".")) else "."
    return WrongCallError(f"{told}{end} {prog} --help explains.")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage before it; a flag is spelled out."""

    def error(self, message: str) -> NoReturn:
        """Refuse.

        Raises:
            WrongCallError: Always.
        """
        told = message.removeprefix("argument ")
        raise wrong_call(told, (flag for action in self._actions for flag in action.option_strings), self.prog)


USES = {
    "embed": "Write the features of images, by a trained run.",
    "predict": "Tell the class of images, by a trained run.",
    "rejector": "Set by a run's validation images which images are none of its classes; predict says so from then on.",
    "evaluate": "Tell what the features of a trained run are good for: one page and one JSON file.",
    "export": "Write a trained network as one file for other programs, and check it.",
}
"""The verbs that use a trained run, and what they do."""


def add_arguments(verb: str, parser: Any) -> None:
    """The words of a verb that uses a trained run, for whichever parser.

    Args:
        verb: One of :data:`USES`.
        parser: Of argparse, or like it.
    """
    add = _adder(verb, parser)
    parser.add_argument("run", type=Path, help="The folder of a trained run.")
    if verb == "rejector":
        _add_rejector(add)
    elif verb == "evaluate":
        _add_evaluation(add, parser)
    elif verb == "export":
        _add_export(add, parser)
    else:
        _add_sources(verb, parser)
    if verb != "rejector":
        add("--split", str, None, "Of a data set: train, test or val; default: test.")
        add("--resize", str, None, "Images of another size: crop, stretch or refuse; default: as in the training.")
    add("--checkpoint", str, "last", "last, or best by validation images.")
    add("--own_code", bool, False, "Import the network of one's own that the run names: trust who gave it to you.")
    add("--data_dir", Path, None, "Folder of a data set's files.")
    add("--download", bool, False, "Fetch a data set if it is nowhere to be found.")
    if verb == "export":
        return  # of a few images, on the CPU
    if verb != "rejector":
        add("--progress", bool | None, None, "Show a progress bar; default: if a terminal shows it.")
    add("--batch_size", Count, 256, "Images at a time.")
    add("--device", str, "auto", "auto, cpu, cuda, cuda:1 or mps.")
    add("--workers", Natural, 2, "Processes that decode images on disk.")


def _add_sources(verb: str, parser: Any) -> None:
    endings = ".npz or .parquet" if verb == "embed" else ".csv"
    default = "" if verb == "embed" else "; default: a table, or CSV where no terminal shows it"
    parser.add_argument("sources", type=str, nargs="+", help="Image files, folders, or a data set by its name.")
    told = f"The file to write, ending in {endings}{default}."
    parser.add_argument("--out", type=Path, required=verb == "embed", help=told)


def _add_rejector(add: Callable[[str, Any, Any, str], None]) -> None:
    add("--score", str, "center-distance", "center-distance, mahalanobis, nearest-neighbors, max-softmax, energy.")
    add("--false_rejects", float, 0.05, "Which share of images of the known classes may be rejected.")
    add("--thresholds", str, "common", "common to all classes, or per-class.")
    add("--k", Count | None, None, "Of nearest-neighbors: which neighbour; default: 50.")
    add("--dataset", str, None, "Where the run's data lie now; default: where they were.")


def _add_evaluation(add: Callable[[str, Any, Any, str], None], parser: Any) -> None:
    told = "Images of unknown classes: folders or data sets by name; each is looked at by itself."
    parser.add_argument("--ood", type=str, nargs="+", default=[], help=told)
    add("--data", str, None, "Labelled images, a folder or a data set by its name; default: the run's own test images.")
    add("--dataset", str, None, "Where the run's data lie now; default: where they were.")
    add("--out", Path, None, "Folder of evaluation.html and evaluation.json; default: the run's.")
    add("--distance", Literal["euclidean", "cosine"], "euclidean", "For silhouette, retrieval and verification.")
    add("--resample", Literal["images", "classes"], "images", "What is drawn for intervals.")
    add("--resamples", Natural, 1000, "How often; 0: no intervals.")


def _add_export(add: Callable[[str, Any, Any, str], None], parser: Any) -> None:
    told = "What the file is checked on: files, folders, or a data set; default: the test images of the run."
    parser.add_argument("--images", type=str, nargs="+", default=None, help=told)
    add("--format", Literal["onnx", "torch-export"], "onnx", "onnx or torch-export.")
    add("--out", Path, None, "The file to write, ending in .onnx or .pt2; default: model.onnx or model.pt2 in the run.")
    add("--tolerance", Positive, 1e-4, "Largest difference from predict, as a share of the largest value.")
    add("--overwrite", bool, False, "Replace a file that is no export of this run.")


def _adder(verb: str, parser: Any) -> Callable[[str, Any, Any, str], None]:
    """What adds a flag that is read as its annotation says."""

    def add(flag: str, kind: Any, default: Any, told: str) -> None:
        reads = kind if kind in (str, Path) else _reads(verb, flag.removeprefix("--"), kind)
        parser.add_argument(flag, type=reads, default=default, help=told)

    return add


def _reads(who: str, name: str, kind: Any) -> Callable[[str], Any]:
    def reads(given: str) -> Any:
        try:
            return converted(who, name, kind, given, from_text=True)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix(f"{who}: {name} ")) from error

    return reads


def read_words(words: Sequence[str]) -> argparse.Namespace:
    """What the words of a verb that uses a trained run say.

    Args:
        words: The verb, and those behind it.

    Raises:
        WrongCallError: If they are not understood.
    """
    verb, *rest = words
    parser = _Parser(prog=f"sigma2r {verb}", description=USES[verb], allow_abbrev=False)
    add_arguments(verb, parser)
    return parser.parse_intermixed_args(rest)
