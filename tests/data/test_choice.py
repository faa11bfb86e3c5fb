"""Test images that are set aside: the laws of a fair and lasting choice, and a second implementation of it."""

import hashlib
import math
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma2r.data.choice import TEST_FRACTION, Chosen, choose_test

ROOT = Path("photos")
SIZES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 60), min_size=1)
FRACTIONS = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 10**12)


def images(sizes, root=ROOT):
    return {name: [root / name / f"{number}.jpg" for number in range(count)] for name, count in sizes.items()}


@settings(deadline=None)
@given(SIZES, FRACTIONS, SEEDS)
def test_each_class_gives_its_share_at_least_one_and_never_all(sizes, fraction, seed):
    chosen = choose_test(images(sizes), ROOT, Chosen(fraction, seed))
    assert chosen.keys() == sizes.keys()
    for name, count in sizes.items():
        assert chosen[name] <= set(images(sizes)[name])
        share = len(chosen[name])
        if count == 1:
            assert share == 0
        else:
            assert 1 <= share <= count - 1
            assert abs(share - fraction * count) <= 0.5 or share in (1, count - 1)


@settings(deadline=None)
@given(SIZES, FRACTIONS, SEEDS)
def test_a_second_reading_of_the_rule_agrees(sizes, fraction, seed):
    for name, paths in images(sizes).items():
        ordered = sorted(
            paths, key=lambda path: hashlib.sha256(f"{seed}:{path.parent.name}/{path.name}".encode()).hexdigest()
        )
        count = min(max(math.floor(fraction * len(paths) + 0.5), 1), len(paths) - 1)
        assert choose_test({name: paths}, ROOT, Chosen(fraction, seed))[name] == set(ordered[:count])


@settings(deadline=None)
@given(SIZES, FRACTIONS, SEEDS, st.randoms())
def test_neither_place_nor_order_nor_other_classes_count(sizes, fraction, seed, random):
    how = Chosen(fraction, seed)
    plain = choose_test(images(sizes), ROOT, how)
    shuffled = {name: random.sample(paths, len(paths)) for name, paths in images(sizes).items()}
    assert choose_test(dict(reversed(shuffled.items())), ROOT, how) == plain
    for name, paths in images(sizes).items():
        assert choose_test({name: paths}, ROOT, how)[name] == plain[name]
    elsewhere = Path("another") / "place"
    moved = choose_test(images(sizes, elsewhere), elsewhere, how)
    assert {name: {p.name for p in paths} for name, paths in moved.items()} == {
        name: {p.name for p in paths} for name, paths in plain.items()
    }


@settings(deadline=None)
@given(st.integers(10, 80), st.integers(1, 10), FRACTIONS, SEEDS)
def test_images_that_are_added_move_no_more_than_their_own_number(count, more, fraction, seed):
    how = Chosen(fraction, seed)
    before, after = (choose_test(images({"a": n}), ROOT, how)["a"] for n in (count, count + more))
    assert len(before - after) <= more  # so many new ones came before them


def test_the_seed_chooses_others_and_every_image_is_chosen_by_some():
    sizes = {"a": 20, "b": 20}
    found = [choose_test(images(sizes), ROOT, Chosen(0.2, seed)) for seed in range(60)]
    assert len({frozenset(each["a"]) for each in found}) > 55
    times = [sum(path in each["a"] for each in found) for path in images(sizes)["a"]]
    assert min(times) > 2  # of 60 times a fifth is 12, with a standard deviation of 3.1
    assert max(times) < 24
    assert all({p.name for p in each["a"]} != {p.name for p in each["b"]} for each in found[:9])  # a class by itself


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(2, 6), FRACTIONS, SEEDS)
def test_names_of_one_file_are_kept_together(groups, names, fraction, seed):
    paths = [ROOT / "a" / f"{group}-{number}.jpg" for group in range(groups) for number in range(names)]
    twins = [[path for path in paths if path.name.startswith(f"{group}-")] for group in range(groups)]
    chosen = choose_test({"a": paths}, ROOT, Chosen(fraction, seed), twins)["a"]
    assert all(len(chosen & set(several)) in (0, names) for several in twins)
    assert 0 < len(chosen) < len(paths)
    assert -0.5 <= len(chosen) - fraction * len(paths) <= names or len(chosen) in (names, len(paths) - names)


def test_a_class_that_is_one_file_under_many_names_gives_none():
    paths = images({"a": 5})["a"]
    assert choose_test({"a": paths}, ROOT, Chosen(0.4, 0), [paths]) == {"a": set()}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_counts_in_whatever_form_a_system_writes_it(form):
    plain = [ROOT / "a" / f"caf\u00e9 {number}.jpg" for number in range(9)]
    written = [Path(unicodedata.normalize(form, str(path))) for path in plain]
    wanted = {path.name for path in choose_test({"a": plain}, ROOT, Chosen(0.3, 0))["a"]}
    chosen = choose_test({"a": written}, ROOT, Chosen(0.3, 0))["a"]
    assert {unicodedata.normalize("NFC", path.name) for path in chosen} == wanted


def test_names_of_any_bytes_are_chosen_too():
    paths = [ROOT / "a" / f"\udce9{number}.jpg" for number in range(4)]
    assert len(choose_test({"a": paths}, ROOT, Chosen(0.25, 0))["a"]) == 1


def test_the_usual_share_is_a_fifth():
    assert TEST_FRACTION == 0.2
    assert len(choose_test(images({"a": 50}), ROOT, Chosen(TEST_FRACTION, 0))["a"]) == 10
