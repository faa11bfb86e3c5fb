"""Text as it may be shown: what cannot be seen is written out."""

import re

_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls: C0, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of others
    "\xad\u180e\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb\U000e0000-\U000e0fff"  # no ink
    "\ud800-\udfff"  # half a character: a byte of a file name that is not UTF-8
    "\ufdd0-\ufdef" + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)) + "]"
)


def visible(text: str, keep: str = "") -> str:
    r"""``text`` with everything written out that cannot be seen, as Python writes it: ``\x1b``, ``\u202e``, ``\udcff``.

    These are controls, marks of direction, letters without ink, lone surrogates and what is no character. They would
    break SVG, stop a file from being encoded, move the cursor of a terminal, or make a name look like another. Joiners,
    which scripts need within words, stay.

    Args:
        text: Of whatever origin: a class name, a path, an error.
        keep: Letters that stay as they are, such as the line breaks of a text of our own.

    Example:
        >>> print(visible("a\x1b[31mb"), visible("caf\xe9"), visible("one\ntwo"))
        a\x1b[31mb café one\ntwo
    """
    return _UNSEEN.sub(lambda match: match[0] if match[0] in keep else written_out(match[0]), text)


def is_whole(text: str) -> bool:
    """Whether a text is one in UTF-8: it holds no half of a character."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def written_out(letter: str) -> str:
    """A letter as Python writes it where it cannot be shown."""
    return letter.encode("unicode_escape").decode("ascii")
