"""What is installed beside the core, and one sentence for what is not."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

EXTRAS: dict[str, dict[str, str]] = {
    "train": {
        "torchvision": "torchvision", "PIL": "pillow", "pytorch_lightning": "pytorch-lightning",
        "lightning_fabric": "pytorch-lightning", "torchmetrics": "torchmetrics", "jsonargparse": "jsonargparse",
        "yaml": "pyyaml", "rich": "rich", "tensorboard": "tensorboard", "filelock": "filelock", "shtab": "shtab",
        "numpy": "numpy",
    },
    "report": {"matplotlib": "matplotlib", "jinja2": "jinja2", "markupsafe": "jinja2", "scipy": "scipy"},
    "onnx": {"onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime"},
    "parquet": {"pyarrow": "pyarrow"},
    "yardsticks": {"pytorch_metric_learning": "pytorch-metric-learning"},
    "timm": {"timm": "timm", "safetensors": "timm"},
    "cleanlab": {"cleanlab": "cleanlab"},
    "ray": {"ray": "ray"},
}  # fmt: skip
"""The modules that each extra brings, with the package that they are of. Extras for work on this package are none."""


@contextmanager
def or_which_extra(who: str, together: Sequence[str] = ()) -> Iterator[None]:
    """Around imports of what is not of the core.

    Args:
        who: What needs them, at the head of the sentence.
        together: Extras that are all named where one of them is missing.

    Raises:
        ImportError: In one sentence with what to install, if a module of an extra is missing; of any other module what
            Python says.

    Example:
        >>> with or_which_extra("the picture"):
        ...     raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        Traceback (most recent call last):
        ImportError: the picture needs more (No module named 'matplotlib'): pip install "sigma2r[report]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        extra = extra_of(error)
        if extra is None:
            raise
        named = ",".join(together if extra in together else (extra,))
        raise ImportError(f'{who} needs more ({error}): pip install "sigma2r[{named}]"') from error


def extra_of(error: ImportError) -> str | None:
    """The extra that brings the module which was not found; None if none does."""
    root = (error.name or "").partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if root in modules), None)


def installed(extra: str) -> dict[str, str | None]:
    """The packages of an extra, each with its version; None of one that is not there.

    Example:
        >>> list(installed("report"))
        ['matplotlib', 'jinja2', 'scipy']
    """
    return {package: version_of(package) for package in EXTRAS[extra].values()}


def version_of(package: str) -> str | None:
    """The version of a package; None if it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
