"""Standard streams that take any text, whatever a shell gave us."""

import io
import os
import sys


def ready_streams() -> None:
    """Let every print succeed: what a terminal has no letter for is written out, and a closed stream swallows it.

    A stream that the shell closed is opened anew, on nothing: otherwise Python has none, and the next file that is
    opened takes its number, so that what a library prints would end up in it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 for as long as we run
        elif isinstance(stream, io.TextIOWrapper) and name != "stdin":
            stream.reconfigure(errors="backslashreplace")
