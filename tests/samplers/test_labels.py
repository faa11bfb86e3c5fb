"""Labels in any form that holds one integer for each sample, by position; anything else in one sentence."""

import array
from collections import deque

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, SequentialSampler, Subset, TensorDataset

from sigma2r import BalancedBatchSampler

LABELS = [3, 3, 8, 8, 8, 3, 1, 1, 1]


class Series:
    """What matters of a pandas column: ``[]`` looks up its index, which may be shuffled."""

    def __init__(self, values, index=None):
        self.values = values
        self.index = list(index if index is not None else range(len(values)))

    def __len__(self):
        return len(self.values)

    def __getitem__(self, key):
        return self.values[self.index.index(key)]

    def to_numpy(self):
        found = np.asarray(self.values)
        found.flags.writeable = False  # as pandas 3 gives it
        return found


class Wrapped:
    """An array of another library."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values


class Column:
    """A column of a table that is no sequence by inheritance and gives one value at a time."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, position):
        return self.values[position]


class Images(Dataset):
    """A data set that must not be opened to look for labels."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def __len__(self):
        return len(next(iter(vars(self).values()), LABELS))

    def __getitem__(self, index):
        raise AssertionError("opened")


def batches(labels):
    return list(BalancedBatchSampler(labels, 6, seed=2))


def twice_as_long():
    """LABELS behind as many of another class."""
    return Images(targets=[5] * len(LABELS) + LABELS)


FORMS = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "array": lambda x: array.array("i", x),
    "bytes": bytes,
    "memoryview": lambda x: memoryview(array.array("q", x)),
    "tensor": torch.tensor,
    "uint8": lambda x: torch.tensor(x, dtype=torch.uint8),
    "tensors": lambda x: [torch.tensor(each) for each in x],
    "numpy": np.array,
    "numbers of numpy": lambda x: list(np.array(x, dtype=np.int16)),
    "reversed": lambda x: np.array(x[::-1])[::-1],
    "big-endian": lambda x: np.array(x, dtype=">i4"),
    "unsigned": lambda x: np.array(x, dtype=np.uint64),
    "objects": lambda x: np.array(x, dtype=object),
    "column": Series,
    "shuffled column": lambda x: Series(x, index=[4, 0, 8, 2, 1, 7, 3, 6, 5]),
    "column by other keys": lambda x: Series(x, index=range(100, 109)),
    "__array__": Wrapped,
    "column of a table": Column,
    "far apart": lambda x: [10**15 * each - 4 for each in x],
    "data set with targets": lambda x: Images(targets=x),
    "data set with labels": lambda x: Images(labels=np.array(x)),
    "tensors as a data set": lambda x: TensorDataset(torch.zeros(len(x)), torch.tensor(x)),
    "subset": lambda x: Subset(twice_as_long(), range(9, 18)),
    "subset by an array": lambda x: Subset(twice_as_long(), np.arange(9, 18)),
    "subset of a subset": lambda x: Subset(Subset(twice_as_long(), list(range(4, 18))), torch.arange(5, 14)),
    "parts": lambda x: ConcatDataset([Images(targets=x[:4]), TensorDataset(torch.tensor(x[4:]))]),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_labels_come_in_any_form_and_are_read_by_position(form):
    assert batches(form(LABELS)) == batches(LABELS)


def test_a_column_that_is_read_by_index_would_be_another():
    shuffled = FORMS["shuffled column"](LABELS)
    assert [shuffled[i] for i in range(len(LABELS))] != LABELS  # this example can tell


def test_a_subset_and_a_loader_of_it_agree():
    subset = Subset(twice_as_long(), range(9, 18))
    seen = [subset.dataset.targets[subset.indices[i]] for batch in BalancedBatchSampler(subset, 6) for i in batch]
    assert sorted(seen) == [1] * 4 + [3] * 4 + [8] * 4


WHAT = r"labels must be a tensor, an array, a column or a sequence of integers, or a data set .*; got "
REMEDY = r"\. Give the labels of the data set that the loader reads; for a Subset those of its indices alone"
NAMES = r"labels must be integers, the same that the loss gets; got names such as "
FIRST = r"\. Number them first: names = sorted"


@pytest.mark.message
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["cat", "dog"], NAMES + "'cat'" + FIRST),
        (np.array(["cat", "dog"]), NAMES + "'cat'" + FIRST),
        (Series(["cat", "dog"]), NAMES + "'cat'" + FIRST),
        (["1", "2"], NAMES + "'1'"),
        ([0, "dog"], NAMES + "'dog'"),
        ("cat", NAMES + "'c'"),
        ([b"cat", b"dog"], NAMES + "b'cat'"),
        (np.array([0, None], dtype=object), r"one integer of at most 64 bits for each sample; got None"),
        ([0, 10**30], r"one integer of at most 64 bits .* got 1000000000000000000000000000000\."),
        ([[0], [0, 1]], r"one integer .* got \[0\]"),
        ([{"label": 0}], r"one integer .* got a dict"),
        (Series([0.0, float("nan")]), r"labels must be integers; got an array of float64"),
        (np.array([True, False]), r"labels must be integers; got an array of bool"),
        (np.array(["2026-01-01"], dtype="M8[D]"), r"labels must be integers; got an array of datetime64"),
        (Wrapped([[0], [1]]), r"shape \(N,\); got \(2, 1\)\. Did you mean labels\.squeeze\(1\)\?"),
        (torch.tensor(3), r"shape \(N,\); got \(\)"),
        ({0, 1}, WHAT + "a set" + REMEDY),
        ({0: 1}, WHAT + "a dict" + REMEDY),
        ((i for i in LABELS), WHAT + "a generator" + REMEDY),
        (None, WHAT + "None" + REMEDY),
        (5, WHAT + "5" + REMEDY),
        (Images(), WHAT + "a Images" + REMEDY),
        (Subset(Images(), [0, 1]), WHAT + "a Images" + REMEDY),
        (Column([(0.5, 1), (0.5, 0)]), WHAT + "a Column" + REMEDY),
        (DataLoader(Images(), batch_size=2), WHAT + "a DataLoader" + REMEDY),
        (SequentialSampler(range(4)), WHAT + "a SequentialSampler" + REMEDY),
    ],
)
def test_what_does_not_hold_one_integer_a_sample_is_refused_in_a_sentence(labels, message):
    with pytest.raises(ValueError, match="^BalancedBatchSampler: .*" + message):
        BalancedBatchSampler(labels, 4)


class Shortened(Images):
    """What hands on the labels of a longer data set."""

    def __len__(self):
        return 4


@pytest.mark.message
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ma.array([0, 1, 0, 1], mask=[0, 0, 1, 1]), "have a number everywhere; got .*masked"),
        (np.ma.masked_equal([0, 1, 0, 1], 1), "have a number everywhere"),
        (Shortened(targets=LABELS), "the Shortened has 4 samples and 9 labels"),
        (Shortened(labels=torch.tensor(LABELS)), "the Shortened has 4 samples and 9 labels"),
    ],
)
def test_labels_that_are_not_those_of_the_samples_are_refused(labels, message):
    with pytest.raises(ValueError, match=f"^BalancedBatchSampler: labels must .*{message}"):
        BalancedBatchSampler(labels, 2)


def test_ignored_labels_are_told_as_they_would_be_dealt_like_a_class():
    with pytest.warns(UserWarning, match="2 are -100, which losses ignore and which is dealt as a class") as told:
        BalancedBatchSampler([0, 1, -100, 0, 1, -100], 6)
    assert len(told) == 1
