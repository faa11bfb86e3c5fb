"""A figure in the style of all, and what every figure needs: colours, names that fit, a legend, an axis.

Nothing here depends on a display, a date or a random number: the same records give the same bytes.
"""

import io
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sigma2r._text import visible

# Okabe and Ito's colours, told apart with any kind of colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#9A8C00")
_NAMED = {"red": "#D55E00", "green": "#009E73", "blue": "#0072B2"}  # classes that are colours keep theirs
_STYLE: Any = {  # every value that matplotlib's own files could change
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "figure.facecolor": "white",
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "sigma2r",
}
_UNDATED: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_HANDLE, _LETTER, _LINE = 0.6, 0.075, 0.17  # inches of a legend's mark, of a letter and of a line's height
_SHADES = 10  # classes that a scale of colours tells apart; beyond them colours come again, with other marks
_MARKS, _LINES = ("o", "s", "^"), ("-", "--", ":")


@dataclass(frozen=True)
class Picture:
    """A figure with what a reader needs beside it.

    Args:
        name: File name without ending.
        caption: What it shows.
        alt: What it shows to whom cannot see it.
        svg: The figure as SVG.
        png: The figure as PNG.
        pdf: The figure as PDF.
    """

    name: str
    caption: str
    alt: str
    svg: bytes
    png: bytes
    pdf: bytes


def picture(name: str, draw: Callable[[Figure], tuple[str, str]]) -> Picture:
    """Draw a figure in the style of all. What cannot be seen in its texts is written out.

    Args:
        name: File name without ending.
        draw: Draws on the figure; returns caption and alternative text.
    """
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ ")  # told in the caption
        figure = Figure(layout="constrained")
        caption, alt = (visible(text, keep="\n") for text in draw(figure))
        for text in _texts(figure):
            text.set_text(visible(text.get_text(), keep="\n"))
        engine = figure.get_layout_engine()
        assert engine is not None
        engine.execute(figure)  # once, not for each format
        figure.set_layout_engine(None)
        if _lacks_letters(figure):
            caption += " Letters that the font of the figure lacks are boxes."
        svg, png, pdf = (_render(figure, form) for form in ("svg", "png", "pdf"))
        return Picture(name, caption, alt, visible(svg.decode(), keep="\n").encode(), png, pdf)


def _render(figure: Figure, form: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=150, metadata=_UNDATED[form])
    return buffer.getvalue()


def _texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if isinstance(text, Text)]


def _lacks_letters(figure: Figure) -> bool:
    font = get_font(findfont(FontProperties()))
    letters = {letter for text in _texts(figure) for letter in text.get_text() if letter != "\n"}
    return any(font.get_char_index(ord(letter)) == 0 for letter in letters)


def named(text: str, inches: float | None = None, size: float = 9) -> str:
    """A name as matplotlib shows it letter by letter, shortened in its middle to so many inches.

    Args:
        text: The name.
        inches: Room for it; default: any.
        size: Of the letters, in points.
    """
    text = visible(text)
    if inches is not None and _width(text, size) > inches:
        low, high = 1, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if _width(_shortened(text, middle), size) <= inches else (low, middle - 1)
        text = _shortened(text, low)
    # A legend leaves out what is empty or begins with an underscore; between dollars there would be a formula.
    return (" " if text[:1] in ("", "_") else "") + text.replace("$", r"\$")


def _shortened(text: str, letters: int) -> str:
    """``letters`` of the name, two thirds of them its first, with a mark for those that are left out."""
    tail = letters // 3
    return text[: letters - tail] + "…" + (text[-tail:] if tail else "")


def _width(text: str, size: float) -> float:
    """Inches of a line of text."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)
    return float(width) / 72


def logarithmic(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis, at 1, 2 and 5 where there are few decades."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def legend(figure: Figure, ax: Axes) -> None:
    """The legend of ``ax`` below the figure, in as many columns as its longest name leaves room for."""
    handles, labels = ax.get_legend_handles_labels()
    room = figure.get_figwidth() / (_HANDLE + _LETTER * max(map(len, labels)))
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, min(len(labels), int(room))))


def room_of_a_legend(figure: Figure) -> float:
    """Inches that one name of a legend may take."""
    return float(figure.get_figwidth()) - _HANDLE


def height_of_legend(names: Sequence[str], inches: float, width: float) -> float:
    """Inches that a legend of more names than ten takes in a figure of that width, each name up to so many inches."""
    if len(names) <= _SHADES:
        return 0.0
    columns = max(1, int(width / (_HANDLE + min(inches, _LETTER * max(map(len, names))))))
    return _LINE * math.ceil(len(names) / columns)


@dataclass(frozen=True)
class Look:
    """How a class is drawn."""

    colour: Any
    mark: str
    line: str


def looks_of(names: Sequence[str]) -> list[Look]:
    """How each class is drawn: colours that are told apart, then with other marks and lines, then shades."""
    if set(names) <= set(_NAMED):
        colours: list[Any] = [_NAMED[name] for name in names]
    elif _SHADES < len(names) <= len(PALETTE) * len(_MARKS):
        return [Look(PALETTE[k % 8], _MARKS[k // 8], _LINES[k // 8]) for k in range(len(names))]
    elif len(names) <= len(PALETTE):
        colours = list(PALETTE[: len(names)])
    else:
        colours = [mpl.colormaps["turbo"]((k + 0.5) / len(names)) for k in range(len(names))]
    return [Look(colour, _MARKS[0], _LINES[0]) for colour in colours]
