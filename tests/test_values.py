"""Values that people give: one rule for Python, the command line and files, and one sentence for what is not wanted."""

import copy
import inspect
import math
import pickle
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sigma2r._kinds import is_doubtful
from sigma2r._shown import shown
from sigma2r._suggest import near
from sigma2r._values import Count, Natural, NotNegative, Positive, Share, as_written, checked, converted

Letters = Literal["adam", "sgd"]
LARGEST = 2**63 - 1
HINT = " A number is written as 12, 0.5 or 1e-3."
# What Python, YAML 1.1, YAML 1.2 and others read as numbers, and not all as the same.
MISREAD = (
    *(
        "010",
        "-07",
        "00",
        "0x10",
        "0X1F",
        "0o10",
        "0b11",
        "0x1p3",
        "1_000",
        "1_0.5",
        "1e_3",
        "１２",
        "1２",
        "0.５",
        "٣",
        "²",
    ),
    *(
        "1:30",
        "1:30:00",
        "2020-01-01",
        "1 000",
        "1,000",
        "1.2.3",
        "1e",
        "1e5.0",
        "1d3",
        "--1",
        "+-1",
        "'1'",
        '"1"',
        "1 # one",
    ),
)
TOO_SMALL = ("1e-400", "-1e-400", "2.4e-324", "1e-999999999", "0." + "0" * 350 + "1")


def taken(annotation: Any, value: Any, from_text: bool = False) -> Any:
    return converted("Run", "x", annotation, value, from_text=from_text)


def told(annotation: Any, value: Any, from_text: bool = False) -> str:
    """The sentence by which a value is refused, behind who says it."""
    with pytest.raises(ValueError, match=r"^Run: x must .*; got [^\n]*$") as refused:
        taken(annotation, value, from_text)
    return str(refused.value).removeprefix("Run: x must ")


def same(value: Any, expected: Any) -> bool:
    return type(value) is type(expected) and value == expected


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 3, 3),
        (int, 3.0, 3),
        (int, -100, -100),
        (int, np.int8(3), 3),
        (int, np.float32(3), 3),
        (int, np.array(3), 3),
        (int, torch.tensor(3), 3),
        (int, torch.tensor(3.0), 3),
        (int, Fraction(6, 2), 3),
        (int, Decimal("3.0"), 3),
        (int, LARGEST, LARGEST),
        (float, 0.1, 0.1),
        (float, 1, 1.0),
        (float, np.float32(0.5), 0.5),
        (float, np.int64(2), 2.0),
        (float, torch.tensor(0.5), 0.5),
        (float, Fraction(1, 2), 0.5),
        (bool, True, True),
        (bool, 0, False),
        (bool, 1.0, True),
        (bool, np.False_, False),
        (bool, torch.tensor(True), True),
        (str, np.str_("a"), "a"),
        (Letters, "sgd", "sgd"),
        (Letters | None, None, None),
        (Literal[1, 2], 2, 2),
        (Literal[True, 2], True, True),
        (int | None, None, None),
        (int | None, 3.0, 3),
        (int | str, "a", "a"),
        (tuple[str, ...], ["a", "b"], ("a", "b")),
        (tuple[str, ...], "conv1", ("conv1",)),
        (tuple[float, ...], np.array([1, 2]), (1.0, 2.0)),
        (list[int], (1, 2.0), [1, 2]),
        (dict[str, Any], {"a": [1]}, {"a": [1]}),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (Path | None, "a/b", Path("a/b")),
        (Any, "whatever", "whatever"),
        (Callable[[int], float], "whatever", "whatever"),
        (float | Callable[[int], float], "whatever", "whatever"),
    ],
    ids=shown,
)  # fmt: skip
def test_a_value_that_is_plain_is_taken(annotation, value, expected):
    assert same(taken(annotation, value), expected)


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        *((bool, word, True) for word in ("yes", "on", "true", "1", "Yes", "ON", " True ")),
        *((bool, word, False) for word in ("no", "off", "false", "0", "No", "OFF", "FALSE")),
        (int, "3", 3),
        (int, " -3 ", -3),
        (int, "3.0", 3),
        (int, "1e3", 1000),
        (int, "+3", 3),
        (int, "30e-1", 3),
        (int, "-0", 0),
        (int, "0", 0),
        (int, "0.0", 0),
        (int, "\t3\n", 3),
        (int, "9223372036854775807", LARGEST),
        (float, "0e-400", 0.0),
        (float, "0.000", 0.0),
        (float, "5e-324", 5e-324),
        (float, "1.", 1.0),
        (float, ".5", 0.5),
        (float, "1E+3", 1000.0),
        (float, "0.1", 0.1),
        (int, "9007199254740993.0", 2**53 + 1),
        (float, "1e-3", 0.001),
        (float, "7", 7.0),
        (int | None, "none", None),
        (int | None, "NULL", None),
        (Letters | None, "none", None),
        (Literal["none", "mean"], "none", "none"),
        (Literal["none", "mean"] | None, "none", "none"),
        (Literal[1, 2], "2", 2),
        (str, "3", "3"),
        (str | None, "3", "3"),
        (int | str, "3", 3),
        (int | str, "a", "a"),
        (tuple[float, ...], ["1", "0.5"], (1.0, 0.5)),
        (dict[str, int], {"a": "3.0"}, {"a": 3}),
        (bool, False, False),
        (float, 3, 3.0),
    ],
    ids=shown,
)
def test_a_text_is_read_where_texts_stand_for_values(annotation, text, expected):
    assert same(taken(annotation, text, from_text=True), expected)


@pytest.mark.parametrize(
    ("annotation", "value", "sentence"),
    [
        (int, "3", "be a whole number; got '3'."),
        (int, 2.5, "be a whole number; got 2.5."),
        (int, True, "be a whole number; got True."),
        (int, np.True_, "be a whole number; got np.True_."),
        (int, None, "be a whole number; got None."),
        (int, math.nan, "be a whole number; got nan."),
        (int, -math.inf, "be a whole number; got -inf."),
        (int, b"3", "be a whole number; got b'3'."),
        (int, [3], "be a whole number; got a list of 1 number."),
        (int, torch.tensor([3]), "be a whole number; got a torch.Tensor of shape (1,) and torch.int64."),
        (float, Decimal("-1e-400"), "be 0, or a number that 64 bits tell from 0; got a decimal.Decimal."),
        (float, Fraction(1, 10**400), "be 0, or a number that 64 bits tell from 0; got a fractions.Fraction."),
        (int, 1e20, f"be a whole number of at most {LARGEST}; got 1e+20."),
        (int, 10**400, f"be a whole number of at most {LARGEST}; got a whole number of 1329 bits."),
        (int, 10**5000, f"be a whole number of at most {LARGEST}; got a whole number of 16610 bits."),
        (float, "0.5", "be a finite number; got '0.5'."),
        (float, False, "be a finite number; got False."),
        (float, math.inf, "be a finite number; got inf."),
        (float, torch.tensor(math.nan), "be a finite number; got tensor(nan)."),
        (float, 10**400, "be a finite number; got a whole number of 1329 bits."),
        (float, 1j, "be a finite number; got 1j."),
        (
            float,
            torch.tensor(1.0, requires_grad=True),
            "be a finite number; got tensor(1., requires_grad=True). A setting has no gradient; its value alone is "
            "x.item().",
        ),
        (bool, "no", "be True or False; got 'no'. Did you mean False?"),
        (bool, "On", "be True or False; got 'On'. Did you mean True?"),
        (bool, "maybe", "be True or False; got 'maybe'."),
        (bool, 2, "be True or False; got 2."),
        (bool, None, "be True or False; got None."),
        (Letters, "Adam", 'be "adam" or "sgd"; got \'Adam\'. Did you mean adam?'),
        (Letters, "adamw", 'be "adam" or "sgd"; got \'adamw\'. Did you mean adam?'),
        (Letters, "rmsprop", 'be "adam" or "sgd"; got \'rmsprop\'.'),
        (Letters, None, 'be "adam" or "sgd"; got None.'),
        (Letters, np.array(["adam"]), 'be "adam" or "sgd"; got a numpy.ndarray of shape (1,) and <U4.'),
        (Letters | None, "x", 'be None, "adam" or "sgd"; got \'x\'.'),
        (Literal[1, 2], True, "be 1 or 2; got True."),
        (Literal["a"], "b", "be \"a\"; got 'b'."),
        (int | None, "a", "be a whole number, or be None; got 'a'."),
        (Count | None, 0, "be a whole number of at least 1; got 0."),
        (str, 3, "be a text; got 3."),
        (tuple[str, ...], None, "be a list of texts; got None."),
        (tuple[str, ...], ["a", 1], "be a list of texts; got a list of 2 texts and numbers."),
        (tuple[str, ...], {"a"}, "be a list of texts; got a set."),
        (dict[str, Any], {1: 2}, "be a mapping from texts to values; got a dict with 1 and so on."),
        (dict[str, Any], None, "be a mapping from texts to values; got None."),
        (dict[str, int], {"a": "b"}, "be a mapping from texts to whole numbers; got a dict with 'a' and so on."),
        (Path, 3, "be a Path; got 3."),
        (torch.Generator | None, 3, "be a Generator; got 3. Did you mean torch.Generator().manual_seed(3)?"),
        (Count, 0, "be a whole number of at least 1; got 0."),
        (Count, 1.5, "be a whole number of at least 1; got 1.5."),
        (Natural, -1, "be a whole number of at least 0; got -1."),
        (Positive, 0.0, "be positive and finite; got 0.0."),
        (Positive, "a", "be a number and be positive and finite; got 'a'."),
        (NotNegative, -1e-9, "be a finite number of at least 0; got -1e-09."),
        (Share, 1.01, "lie in (0, 1]; got 1.01."),
        (Share, None, "be a number and lie in (0, 1]; got None."),
    ],
    ids=shown,
)  # fmt: skip
def test_what_is_not_wanted_is_refused_in_one_sentence(annotation, value, sentence):
    assert told(annotation, value) == sentence


@pytest.mark.parametrize(
    ("annotation", "text", "sentence"),
    [
        (bool, "maybe", "be true or false; got 'maybe'."),
        (bool, "none", "be true or false; got 'none'."),
        (bool, "2", "be true or false; got '2'."),
        (int, "abc", "be a whole number; got 'abc'."),
        (int, "3.5", "be a whole number; got '3.5'."),
        (int, "true", "be a whole number; got 'true'."),
        (int, "", "be a whole number; got ''."),
        (int, "none", "be a whole number; got 'none'."),
        (int, "nan", "be a whole number; got 'nan'."),
        (int, "snan", "be a whole number; got 'snan'."),
        (int, "1e20", f"be a whole number of at most {LARGEST}; got '1e20'."),
        (int, "1e999999999", f"be a whole number of at most {LARGEST}; got '1e999999999'."),
        (int, "1e-999999999", "be a whole number; got '1e-999999999'."),
        (float, "inf", "be a finite number; got 'inf'."),
        (float, "1e999", "be a finite number; got '1e999'."),
        (float, "0,5", f"be a finite number; got '0,5'.{HINT}"),
        *((float, text, f"be a finite number; got {text!r}.{HINT}") for text in MISREAD),
        *((int, text, f"be a whole number; got {text!r}.{HINT}") for text in MISREAD),
        *((Positive, text, f"be a number and be positive and finite; got {text!r}.{HINT}") for text in MISREAD),
        *((float, text, f"be 0, or a number that 64 bits tell from 0; got {shown(text)}.") for text in TOO_SMALL),
        *((NotNegative, text, f"be 0, or a number that 64 bits tell from 0; got {shown(text)}.") for text in TOO_SMALL),
        (float | None, "1e-400", "be 0, or a number that 64 bits tell from 0; got '1e-400'."),
        (tuple[float, ...], ["1", "1e-400"], "be a list of numbers; got a list of 2 texts."),
        (dict[str, float], {"a": "0x1"}, "be a mapping from texts to numbers; got a dict with 'a' and so on."),
        (int, "9223372036854775808", f"be a whole number of at most {LARGEST}; got '9223372036854775808'."),
        (int, ".inf", "be a whole number; got '.inf'."),
        (float, "-.INF", "be a finite number; got '-.INF'."),
        (float, ".nan", "be a finite number; got '.nan'."),
        (float, "infinity", "be a finite number; got 'infinity'."),
        (float, "v2", f"be a finite number; got 'v2'.{HINT}"),
        (float | None, "abc", "be a finite number, or be none; got 'abc'."),
        (Letters, "ADAM", 'be "adam" or "sgd"; got \'ADAM\'. Did you mean adam?'),
    ],
    ids=shown,
)
def test_a_text_that_says_nothing_wanted_is_refused_in_one_sentence(annotation, text, sentence):
    assert told(annotation, text, from_text=True) == sentence


@given(st.integers(-LARGEST, LARGEST))
def test_every_whole_number_is_read_to_its_last_digit(value):
    assert same(taken(int, str(value), from_text=True), value)
    assert same(taken(int, f"{value}.0", from_text=True), value)
    assert same(taken(int, value), value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_bit_for_bit(value):
    assert math.copysign(1, taken(float, repr(value), from_text=True)) == math.copysign(1, value)
    assert same(taken(float, repr(value), from_text=True), value)
    assert same(taken(float, torch.tensor(value, dtype=torch.float64)), value)


@given(st.text())
def test_no_text_breaks_the_reader(text):
    for annotation in (bool, int, float, Letters, int | None, tuple[int, ...], Count, Share):
        refused = "Run: x must "
        try:
            taken(annotation, text, from_text=True)
        except ValueError as error:
            refused = str(error)
        assert re.fullmatch("Run: x must .*", refused)  # on one line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(("7", 7), ("-7", -7), ("7.0", 7.0), ("1e-3", 0.001), ("true", True), ("FALSE", False), ("none", None)),
        *(("null", None), (3, 3), (None, None), (["1", "a", ["2"]], [1, "a", [2]])),
        *((text, text) for text in ("", "yes", "mean", "v2", "nan", "1e-400", "9" * 30, *MISREAD)),
    ],
    ids=shown,
)
def test_what_a_text_says_by_itself(text, said):
    assert as_written(text) == said
    assert type(as_written(text)) is type(said)


DOUBTFUL = ("0x10", "0b1", "0o7", "1_000", "010", "１２", "1e-400", "1e400", "nan", "-inf", "Infinity", " 1_0 ")


@pytest.mark.parametrize("text", DOUBTFUL)
def test_a_text_that_others_read_as_a_number_is_doubtful(text):
    assert is_doubtful(text)


@pytest.mark.parametrize(
    "text", ["1", "0.5", "1e-3", " 7 ", "v2", "mean", "", "1:30", "2020-01-01", "x10", "e5", "infinite"]
)
def test_a_text_that_all_read_alike_is_not(text):
    assert not is_doubtful(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_number_that_is_not_zero_becomes_zero(value):
    tenth = Fraction(value) / 10**20
    if tenth and float(tenth) == 0:
        with pytest.raises(ValueError, match="64 bits tell from 0"):
            taken(float, tenth)
    else:
        assert taken(float, tenth) == float(tenth)


class Box:
    """A thing with a constructor that is checked."""

    @checked
    def __init__(self, size: Count, *names: str, scale: Positive = 1.0, fast: bool = False, other: Any = None) -> None:
        self.held = size, names, scale, fast, other


def test_a_checked_constructor_sees_its_arguments_as_its_annotations_want_them():
    assert Box(3.0, scale=2, fast=1, other="no").held == (3, (), 2.0, True, "no")
    assert Box(np.int64(1)).held == (1, (), 1.0, False, None)
    with pytest.raises(ValueError, match=r"^Box: fast must be True or False; got 'no'\. Did you mean False\?$"):
        Box(1, fast="no")

    class Crate(Box):
        """Its own name stands in the message."""

    with pytest.raises(ValueError, match=r"^Crate: size must be a whole number of at least 1; got 0\.$"):
        Crate(0)


def test_a_checked_constructor_keeps_signature_copies_and_pythons_own_words():
    parameters = inspect.signature(Box).parameters
    assert list(parameters) == ["size", "names", "scale", "fast", "other"]
    assert (parameters["scale"].default, parameters["fast"].default) == (1.0, False)
    assert "whole number of at least 1" in str(inspect.signature(Box))
    assert "lambda" not in str(inspect.signature(Box))
    for twin in (copy.deepcopy(Box(2)), pickle.loads(pickle.dumps(Box(2)))):
        assert twin.held == Box(2).held
    with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required positional argument: 'size'"):
        Box()
    with pytest.raises(TypeError, match="unexpected keyword argument 'slow'"):
        Box(1, slow=True)


def test_a_value_is_shown_on_one_line_in_a_few_words():
    assert shown("a\nb") == r"'a\nb'"
    assert shown("x" * 5000) == "'" + "x" * 59 + "...' (5000 characters)"
    assert shown(torch.zeros(2, 3)) == "a torch.Tensor of shape (2, 3) and torch.float32"
    assert shown([]) == "a list of 0"
    assert shown({}) == "a dict with nothing in it"
    assert shown((torch.zeros(2, 3), torch.zeros(2))) == "a tuple of 2 torch.Tensors of shapes (2, 3) and (2,)"
    assert shown([None, "a"]) == "a list of 2 None and texts"
    assert shown(torch.nn.Linear) == "the class Linear"
    assert "\n" not in shown(np.zeros((50, 50)))


def test_a_near_name_is_found_whatever_its_capitals():
    assert near("ADAM", ["adam", "sgd"]) == " Did you mean adam?"
    assert near("x", ["adam", "sgd"]) == ""
    assert near(3, ["adam"]) == ""
