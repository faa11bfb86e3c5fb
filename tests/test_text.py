"""What cannot be seen is written out, and nothing else is changed."""

import sys
import unicodedata

import pytest

from sigma2r._text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", r"a\x1b[31mred"),
        ("nul\x00", r"nul\x00"),
        ("\x07\x08\x7f", r"\x07\x08\x7f"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("tab\tline\nreturn\r", r"tab\tline\nreturn\r"),
        ("\u202egnp.exe\u2066\u200f", r"\u202egnp.exe\u2066\u200f"),
        ("\u200b\ufeff\xad\u2028\u2029\u2060", r"\u200b\ufeff\xad\u2028\u2029\u2060"),
        ("\udcff\ud800", r"\udcff\ud800"),
        ("\ufffe\U0001ffff\ufdd0", r"\ufffe\U0001ffff\ufdd0"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_what_can_be_seen_stays():
    for text in (
        "",
        "T-shirt/top",
        "σ²R ± 0.1 – …",
        "Zürich 猫 أسد नमस्ते",
        "a\u200db\u200c",
        "👩\u200d🚀 ❤️",
        r"a\nb",
        "\xa0",
    ):
        assert visible(text) == text


def test_every_control_and_every_half_of_a_character_is_written_out():
    for number in range(sys.maxunicode + 1):
        if unicodedata.category(chr(number)) in ("Cc", "Cs", "Zl", "Zp"):
            assert visible(chr(number)).isascii()
            assert visible(chr(number)).isprintable()


def test_lines_can_be_kept():
    assert visible("one\ntwo\x1b", keep="\n") == "one\ntwo\\x1b"


def test_whatever_is_shown_can_be_encoded_and_stand_in_xml():
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = visible(text)
    shown.encode("utf-8")
    allowed = [(0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF)]
    assert all(any(low <= ord(letter) <= high for low, high in allowed) for letter in set(shown))
