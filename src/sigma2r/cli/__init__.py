"""The command line: what trains (``sigma2r train``), what reports, and what uses a trained run; ``sigma2r --help``.

Flags and YAML files fill the same description, :class:`sigma2r.studies.run.Run`; ``--print_config`` writes it out.
"""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sigma2r._extras import or_which_extra
from sigma2r._places import in_words
from sigma2r._text import visible
from sigma2r.cli.streams import ready_streams
from sigma2r.cli.words import USES, WrongCallError, read_words, underscored

_EXTRAS = ("train", "report")
_VERSION = "--version"
_LINES = "\n"  # messages of libraries have several
_GOES_ON = "the same command goes on after the last finished epoch."
_NOTHING = "no file was written."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit code.

    0 if it went well, 1 if it could not be done (said in one line), 2 for a wrong call, 3 if some images could not be
    read, 130 after Ctrl-C and 143 after SIGTERM.
    """
    ready_streams()
    words = [underscored(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    uses = bool(words) and words[0] in USES
    left = _NOTHING if uses else _GOES_ON
    try:
        with _stopped_by_sigterm(), warnings.catch_warnings(), or_which_extra("the command line", _EXTRAS):
            warnings.showwarning = _warn_in_one_line
            if words[:1] == [_VERSION]:
                return _tell_version()
            return _use(words) if uses else _do(words)
    except WrongCallError as error:
        return _fail(str(error), 2)
    except BrokenPipeError:  # who reads what is printed has gone, as head does
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for the interpreter's last flush
        return 128 + signal.SIGPIPE
    except OSError as error:
        return _fail(in_words(error))
    except (ImportError, ValueError, RuntimeError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail(f"interrupted; {left}", 128 + signal.SIGINT)
    except _Terminated:
        return _fail(f"stopped by SIGTERM; {left}", 128 + signal.SIGTERM)


def _do(words: Sequence[str]) -> int:
    """What trains, compares and reports, with the parser that fills a description."""
    from sigma2r.cli.parser import build_parser, flags
    from sigma2r.cli.verbs import VERBS

    chosen = build_parser().parse_args(flags(words))
    return VERBS[chosen.verb](chosen[chosen.verb]) or 0


def _tell_version() -> int:
    from sigma2r.cli.version import environment

    print(environment())
    return 0


def _use(words: Sequence[str]) -> int:
    """What uses a trained run, which loads nothing of training."""
    chosen = read_words(words)
    if words[0] == "evaluate":
        from sigma2r.cli.evaluating import evaluate

        return evaluate(chosen)
    from sigma2r.cli.using import use

    return use(words[0], chosen)


class _Terminated(SystemExit):
    """The process was asked to end."""


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that files are closed and workers end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may listen
        return

    def stop(*_: Any) -> None:
        raise _Terminated(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _warn_in_one_line(message: Any, category: Any, *_: Any, **__: Any) -> None:
    print(f"warning: {visible(str(message), keep=_LINES)}", file=sys.stderr)


def _fail(message: str, code: int = 1) -> int:
    print(f"sigma2r: {visible(message, keep=_LINES)}", file=sys.stderr)
    return code
