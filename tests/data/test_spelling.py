"""Classes that a person takes for one are told to be two, where that is why train and test disagree."""

import unicodedata

import pytest

from sigma2r.data.packed import packed_images
from sigma2r.data.spelling import near_names, say_look_alikes
from tests.data.test_datasets import write_images
from tests.data.test_tree import colour, loaded, warned
from tests.data.test_unpack import image, pack

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
FORMS = "are one name in two Unicode forms"
SPACE = "differ only in white space or in what has no ink"
CAPITALS = "differ only in capitals"
ALL = "differ only in capitals, white space and Unicode forms"
PAIRS = [
    (COMPOSED, DECOMPOSED, FORMS, r"'\\xe9' of train/ ", r"'e\\u0301' of test/ "),
    (DECOMPOSED, COMPOSED, FORMS, r"'e\\u0301' of train/ ", r"'\\xe9' of test/ "),
    ("한", unicodedata.normalize("NFD", "한"), FORMS, r"'\\ud55c' of train/ ", r"'\\u1112\\u1161\\u11ab' of test/ "),
    ("Å", "\u212b", FORMS, r"'\\xc5' of train/ ", r"'\\u212b' of test/ "),  # the sign for ångström
    ("cat", "Cat", CAPITALS, "'cat' of train/ ", "'Cat' of test/ "),
    ("STRASSE", "straße", CAPITALS, "'STRASSE' of train/ ", "'straße' of test/ "),
    ("cat", "cat ", SPACE, "'cat' of train/ ", "'cat ' of test/ "),
    ("\tcat", "cat", SPACE, r"'\\tcat' of train/ ", "'cat' of test/ "),
    ("ice cream", "ice  cream", SPACE, "'ice cream' of train/ ", "'ice  cream' of test/ "),
    ("ice cream", "ice\xa0cream", SPACE, "'ice cream' of train/ ", r"'ice\\xa0cream' of test/ "),
    ("cat", "c\u200bat", SPACE, "'cat' of train/ ", r"'c\\u200bat' of test/ "),
    ("\u2764", "\u2764\ufe0f", SPACE, "'\u2764' of train/ ", "'\u2764\ufe0f' of test/ "),
    (f"{COMPOSED} x", f"{DECOMPOSED.upper()}  X", ALL, f"'{COMPOSED} x' of train/ ", "X' of test/ "),
    ("Ｆish", "fish", ALL, "'Ｆish' of train/ ", "'fish' of test/ "),
]


@pytest.mark.message
@pytest.mark.parametrize(("mine", "theirs", "how", "told", "and_told"), PAIRS)
def test_two_spellings_of_a_class_are_told_with_the_remedy(tmp_path, mine, theirs, how, told, and_told):
    root = write_images(tmp_path, classes=("other", mine))
    (root / "test" / mine).rename(root / "test" / theirs)
    for missing_classes in (False, True):
        with pytest.raises(
            ValueError, match=rf"they differ in: .*\. '.*' of test/ and .* {how}\. Rename one\.$"
        ) as refused:
            loaded(root, "test", missing_classes=missing_classes)
        for part in (told, and_told):
            assert part.replace("\\\\", "\\").removesuffix(" ") in str(refused.value)


@pytest.mark.message
def test_several_such_classes_are_told_once_each(tmp_path):
    root = write_images(tmp_path, classes=("ant", "bee", "cat", "dog", "elk"))
    for name in ("ant", "bee", "cat", "dog"):
        (root / "test" / name).rename(root / "test" / name.upper())
    (root / "test/elk").rename(root / "test/owl")
    with pytest.raises(
        ValueError, match=r"'ANT' of .*; 'BEE' of .*; 'CAT' .* \(and 1 more\)\. Rename one of each\.$"
    ) as told:
        loaded(root, "test")
    assert str(told.value).count(CAPITALS) == 3
    assert "'owl'" not in str(told.value)


def test_names_that_are_others_are_no_spellings():
    assert near_names(["cat", "a"], ["dog", "a", "A"], "test/", "train/") == ""
    assert near_names(["A"], ["a"], "test/", "train/").count(CAPITALS) == 1


@pytest.mark.message
def test_of_two_forms_beside_each_other_the_one_that_is_missing_is_told(tmp_path):
    root = write_images(tmp_path, classes=(COMPOSED, DECOMPOSED))
    for path in (root / "test" / DECOMPOSED).iterdir():
        path.unlink()
    (root / "test" / DECOMPOSED).rmdir()
    with pytest.raises(
        ValueError, match=rf"'\\xe9' of test/ and 'e\\u0301' of train/ {FORMS}\. Rename one\. --missing"
    ):
        loaded(root, "test")


@pytest.mark.parametrize("names", [(COMPOSED, DECOMPOSED), ("cat", "cat "), ("cat", "c\u200bat"), ("a b", "a\xa0b")])
def test_classes_beside_each_other_that_look_the_same_are_told_once(tmp_path, names):
    root = write_images(tmp_path, classes=("dog", *names))
    (told,) = warned(lambda: loaded(root))
    assert f"{tmp_path}/train has classes that look the same: {min(names)!a} and {max(names)!a} " in told
    assert told.endswith(". Are they one?")
    assert warned(lambda: loaded(root, "test")) == []


def test_capitals_beside_small_letters_are_classes(tmp_path):
    root = write_images(tmp_path, classes=("A", "a", "b", "ﬁ", "fi"))
    assert warned(lambda: loaded(root)) == []


def test_of_many_that_look_the_same_some_are_told():
    (told,) = warned(lambda: say_look_alikes([name + space for name in "abcdef" for space in ("", " ")], "there"))
    assert told.count(SPACE) == 3
    assert "(and 3 more)" in told


@pytest.mark.message
def test_packed_classes_are_told_alike(tmp_path):
    files = {f"train/{COMPOSED}/0.png": image(0), f"test/{DECOMPOSED}/0.png": image(1)}
    with pytest.raises(ValueError, match=rf"'e\\u0301' of test/ and '\\xe9' of train/ {FORMS}\. Rename one\.$"):
        packed_images(pack(tmp_path / "x.tar.xz", files), "train", 32)
    files = {f"{split}/{name}/0.png": image(0) for split in ("train", "test") for name in (COMPOSED, DECOMPOSED)}
    path = pack(tmp_path / "y.tar.xz", files)
    with pytest.warns(UserWarning, match=rf"y\.tar\.xz has classes that look the same: .* {FORMS}"):
        packed_images(path, "train", 32)
    assert warned(lambda: packed_images(path, "test", 32)) == []


def test_a_class_with_a_folder_of_another_form_within_it_is_none(tmp_path):
    root = write_images(tmp_path, classes=(COMPOSED, "dog"))
    colour(root / "train/dog" / DECOMPOSED / "9.png", "red")
    assert warned(lambda: loaded(root)) == []
