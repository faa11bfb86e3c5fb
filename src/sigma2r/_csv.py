"""Comma-separated values: one form for every file of them that is written."""

import re
from collections.abc import Sequence

from sigma2r._text import written_out

ERRORS = "surrogateescape"
"""How a text is encoded: the bytes of a file name that are no UTF-8 are what they are on disk."""

_QUOTED = re.compile(r'[,"\r\n]')
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # half a character that stands for no byte


def csv_line(cells: Sequence[str]) -> str:
    r"""A row, with its end: what is read back is what was given, letter by letter.

    Cells are quoted where they must be, as RFC 4180 has it, and never changed: no mark is put before what a spreadsheet
    would take for a formula, so that names join with those of other files and with those on disk. A line ends with
    ``\n``. ``csv.writer`` of Python 3.11 leaves a ``\r`` unquoted then, at which readers end the row.

    Args:
        cells: At least one.

    Example:
        >>> print(csv_line(["=SUM(A1)", "a,b", "c"]), end="")
        =SUM(A1),"a,b",c
    """
    return ",".join(map(_cell, cells)) + "\n" if list(cells) != [""] else '""\n'


def _cell(text: str) -> str:
    whole = _NO_BYTE.sub(lambda match: written_out(match[0]), text)
    return '"' + whole.replace('"', '""') + '"' if _QUOTED.search(whole) else whole
