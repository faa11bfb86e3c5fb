"""Things of a user's own by their path: ``package.module:Name``, or ``folder/file.py:Name``."""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from sigma2r._absent import AbsentError
from sigma2r._call import asked_to_end, broken
from sigma2r._places import WrongKindError, is_file
from sigma2r._suggest import unknown

_PATH = re.compile(r"(?P<where>[^:]+\.py|[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")


_LIBRARIES = {"pml": "pytorch-metric-learning"}  # whose things have names like paths, and what each is installed as


def is_path(name: str) -> bool:
    """Whether ``name`` is spelled as a path; the names of other libraries' things, pml:NAME, are.

    Example:
        >>> [is_path(name) for name in ("package.module:Name", "my studies/mine.py:STUDY", "center", "a-b:c")]
        [True, True, False, False]
    """
    return _PATH.fullmatch(name) is not None


def resolve(kind: str, path: str) -> Any:
    """The thing that a path names. Its module is imported, so its code runs.

    Modules are looked for where Python looks, and then in the current folder; relative files in the current folder,
    and then where Python looks. What stands beside a file is imported by it before all else, as by a script; so is what
    a path names within :func:`looking_beside` that file.

    Args:
        kind: What is looked for, for the error: ``"loss"``.
        path: Spelled as :func:`is_path` wants it.

    Raises:
        AbsentError: If there is no such module or file.
        ValueError: If it has no such name, or importing it fails.

    Example:
        >>> resolve("loss", "sigma2r.losses:CenterLoss").__name__
        'CenterLoss'
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(
            f"resolve: a {kind} of one's own is spelled package.module:Name or folder/file.py:Name; got {path!r}."
        )
    found: Any = _module(kind, match["where"])
    reached, step = match["where"], ":"
    for part in match["name"].split("."):
        if not hasattr(found, part):
            names = sorted(name for name in getattr(found, "__dict__", ()) if not name.startswith("_"))
            raise unknown(f"{kind} of {reached}", part, names)
        found, reached, step = getattr(found, part), f"{reached}{step}{part}", "."
    return found


def names_of(kind: str, where: str, of: type) -> list[str]:
    """The names under which a module or file has things of that class; it is imported.

    Raises:
        ValueError: As :func:`resolve` does.
    """
    return [name for name, value in vars(_module(kind, where)).items() if isinstance(value, of)]


_beside: ContextVar[Path | None] = ContextVar("_beside", default=None)


@contextmanager
def looking_beside(folder: Path | None) -> Iterator[None]:
    """Look for what paths name in ``folder`` before all else, as what stands there would be imported by its neighbours.

    So a study means one thing by a path, wherever it is started. None changes nothing.
    """
    if folder is None:
        yield
        return
    before = _beside.set(folder)
    try:
        yield
    finally:
        _beside.reset(before)


def folder_of(path: str) -> Path | None:
    """The folder of the file that a path names; None of a module, or of what is no path or not there.

    Example:
        >>> folder_of("package.module:Name"), folder_of("center")
        (None, None)
    """
    match = _PATH.fullmatch(path)
    found = _found(match["where"]) if match is not None and match["where"].endswith(".py") else None
    return None if found is None else found.parent


def source_of(path: str) -> str:
    """16 hex digits that name the code of a path's module or file, as it is now; what that imports does not count.

    Of another library's thing they name its version.

    Raises:
        ValueError: As :func:`resolve` does.
    """
    match = _PATH.fullmatch(path)
    assert match is not None, "resolved before"
    if library := _LIBRARIES.get(match["where"]):
        return hashlib.sha256(_version(library).encode()).hexdigest()[:16]
    file = getattr(_module("code", match["where"]), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes() if file is not None else b"").hexdigest()[:16]


def files_of(path: str) -> set[str]:
    """The files of a user's that what a path names is written in: where it is found, and where it is defined.

    Raises:
        ValueError: As :func:`resolve` does.
    """
    match = _PATH.fullmatch(path)
    assert match is not None, "resolved before"
    if match["where"] in _LIBRARIES:
        return set()
    found = resolve("code", path)
    while isinstance(found, partial):
        found = found.func
    modules = (_module("code", match["where"]), sys.modules.get(getattr(found, "__module__", None) or ""))
    files = {getattr(module, "__file__", None) for module in modules}
    return {file for file in files if file is not None and _OURS not in Path(file).parents}


def _version(library: str) -> str:
    try:
        return f"{library} {importlib.metadata.version(library)}"
    except importlib.metadata.PackageNotFoundError:
        raise AbsentError(f"resolve: {library} must be installed; it is not. Install it with pip.") from None


_OURS = Path(__file__).parent


def _module(kind: str, where: str) -> ModuleType:
    _also_look_in(Path.cwd())
    try:
        return _file(kind, where) if where.endswith(".py") else _importable(where)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{where}.".startswith(f"{error.name}."):
            raise AbsentError(
                f"resolve: the module of a {kind} must be installed or lie in the current folder; there is no "
                f"{where}. {_looked_in()} was looked in as well."
            ) from None
        raise broken(f"resolve: importing the {kind} of {where}", error) from error
    except (AbsentError, WrongKindError):
        raise
    except (FileNotFoundError, SyntaxError) as error:
        raise ValueError(f"resolve: the file of a {kind} cannot be used: {error}.") from error
    except (Exception, SystemExit) as error:  # whatever the code of a user raises
        if asked_to_end(error):
            raise
        raise broken(f"resolve: importing the {kind} of {where}", error) from error


def _importable(where: str) -> ModuleType:
    beside = _beside.get()
    with nullcontext() if beside is None else _neighbours_first(beside):
        return importlib.import_module(where)


def _looked_in() -> str:
    beside = _beside.get()
    return f"{Path.cwd()}" if beside is None else f"{beside}, and then {Path.cwd()},"


def _found(where: str) -> Path | None:
    """The file of that path."""
    given, beside = Path(where).expanduser(), _beside.get()
    folders = [*([] if beside is None else [beside]), Path(), *map(Path, sys.path)]
    return next((path.resolve() for path in (folder / given for folder in folders) if path.is_file()), None)


def _file(kind: str, where: str) -> ModuleType:
    """The module of a file, imported once."""
    found = _found(where)
    if found is None:
        is_file(Path(where).expanduser())
        raise AbsentError(
            f"resolve: the file of a {kind} cannot be used: there is no file {where}; {_looked_in()} was looked in."
        )
    name = f"{found.stem}_{hashlib.sha256(str(found).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, found)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _neighbours_first(found.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    _also_look_in(found.parent)  # for what it imports later
    return module


_neighbours: dict[str, Path] = {}  # modules that files imported from beside themselves, and where


@contextmanager
def _neighbours_first(folder: Path) -> Iterator[None]:
    """Let a file import what stands beside it, not what stands under the same name beside another file."""
    others = {name: sys.modules.pop(name) for name, place in [*_neighbours.items()]
              if place != folder and name in sys.modules}  # fmt: skip
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and folder in Path(file).resolve().parents:
                _neighbours[name] = folder
        for name, module in others.items():
            sys.modules.setdefault(name, module)


def _also_look_in(folder: Path) -> None:
    """Behind all else, so that nothing installed is hidden by a file that happens to lie there."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
