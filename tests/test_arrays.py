"""Lists, arrays and columns of a table: taken in the order of their rows, or told apart in one sentence."""

import array
from collections import deque

import numpy as np
import pytest
import torch

from sigma2r._arrays import as_tensor, one_of_several, spelled_as_tensor


class Column:
    """A column of a table whose index was shuffled: rows by position are one thing, ``column[i]`` is another."""

    def __init__(self, values) -> None:
        self.values = np.asarray(values)
        self.shape, self.dtype = self.values.shape, self.values.dtype

    def to_numpy(self):
        return self.values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index):
        return self.values[::-1][index]


class OnAnotherDevice:
    def __array__(self):
        raise TypeError("implicit conversion is not allowed")


READ_ONLY = np.array([0, 2, 1])
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    "labels",
    [
        [0, 2, 1], (0, 2, 1), deque([0, 2, 1]), array.array("q", [0, 2, 1]), [np.int64(0), np.int64(2), np.int64(1)],
        [torch.tensor(0), torch.tensor(2), torch.tensor(1)], np.array([0, 2, 1]), np.array([1, 2, 0])[::-1], READ_ONLY,
        np.array([0, 2, 1], dtype=">i2"), np.array([0, 2, 1], dtype=np.uint64), np.array([0, 2, 1], dtype=object),
        Column([0, 2, 1]), Column(np.array([0, 2, 1], dtype=object)),
    ],
    ids=lambda labels: f"{type(labels).__name__} {getattr(labels, 'dtype', '')}",
)  # fmt: skip
def test_whole_numbers_come_as_they_lie_in_their_rows(labels):
    tensor = as_tensor("loss", "labels", labels)
    assert tensor.tolist() == [0, 2, 1]
    assert not tensor.is_floating_point()


def test_a_range_rows_of_numbers_and_numbers_of_every_width_are_taken():
    assert as_tensor("loss", "labels", range(3)).tolist() == [0, 1, 2]
    assert as_tensor("loss", "labels", []).dtype == torch.int64
    assert as_tensor("loss", "weights", [0.1, 1]).tolist() == [0.1, 1.0]  # to the last digit
    rows = [[0.5, 1.0], [2.0, 3.0]]
    for features in (rows, np.array(rows), np.array(rows).T.copy().T, [np.array(row) for row in rows], Column(rows)):
        assert as_tensor("loss", "features", features).tolist() == rows
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        assert as_tensor("loss", "features", np.array(rows, dtype=dtype)).tolist() == rows


def test_a_tensor_stays_itself_and_memory_is_shared_where_it_can_be():
    tensor, numbers = torch.zeros(3, requires_grad=True), np.zeros(3)
    assert as_tensor("loss", "features", tensor) is tensor
    as_tensor("loss", "features", numbers)[0] = 1.0
    assert numbers[0] == 1.0


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "a list of numbers or of rows of one length; got None."),
        (3, "; got 3."),
        ("cat", "; got 'cat'."),
        ({0, 1}, "; got a set."),
        ({"a": 1}, "; got a dict with 'a' and so on."),
        (iter([1]), "; got a list_iterator."),
        ([[1, 2], [3]], "; got a list of 2 lists."),
        ([1, None], "; got a list of 2 numbers and None."),
        ([2**70], "; got a list of 1 number."),
        (np.array([1, None]), "; got a numpy.ndarray of shape (2,) and object."),
        (np.array(["2020-01-01"], dtype="M8[D]"), "; got a numpy.ndarray of shape (1,) and datetime64[D]."),
        (np.ndarray, "; got the class ndarray."),
        (OnAnotherDevice(), ".OnAnotherDevice."),
        (
            (torch.zeros(2, 4), torch.zeros(2, 3)),
            "; got a tuple of 2 torch.Tensors of shapes (2, 4) and (2, 3). Does the network return several? Then "
            "features, logits = network(images).",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_no_numbers_is_refused_with_what_it_is(value, sentence):
    with pytest.raises(ValueError, match=r"^loss: labels must be a tensor, an array, or a list [^\n]*$") as refused:
        as_tensor("loss", "labels", value)
    assert str(refused.value).endswith(sentence)


@pytest.mark.parametrize(
    "names",
    [["cat", "dog"], np.array(["cat", "dog"]), np.array(["cat", "dog"], dtype=object), Column(["cat", "dog"])],
    ids=lambda names: f"{type(names).__name__} {getattr(names, 'dtype', '')}",
)
def test_names_of_classes_are_refused_with_the_way_to_number_them(names):
    with pytest.raises(
        ValueError, match=r"^loss: labels must be numbers, not texts; got .* Number the classes first, "
    ):
        as_tensor("loss", "labels", names)


def test_a_masked_array_is_not_taken_for_the_numbers_under_its_mask():
    with pytest.raises(
        ValueError, match=r"must have a number everywhere; got a numpy\.MaskedArray .* Fill it first\.$"
    ):
        as_tensor("loss", "labels", np.ma.masked_array([0, 1], [False, True]))


def test_a_remedy_goes_on_from_an_expression_that_gives_a_tensor():
    for value in (torch.tensor([3, 4]), np.array([3, 4]), [3, 4], Column([3, 4])):
        expression = spelled_as_tensor("labels", value)
        assert eval(expression, {"torch": torch, "labels": value}).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("value", "name", "remedy"),
    [
        ([torch.zeros(4), torch.zeros(4)], "features", " One for each sample? Then torch.stack(features)."),
        ([torch.zeros(1), torch.zeros(1)], "labels", " One for each sample? Then torch.cat(labels)."),
        ([torch.zeros(1), torch.zeros(1)], "features", " One for each sample? Then torch.stack(features)."),
        ((torch.zeros(3, 4), torch.zeros(3, 4)), "features", " Does the network return several?"),
        ((torch.zeros(3, 4), torch.zeros(3, 9)), "features", " Does the network return several?"),
        ([torch.zeros(3, 4)], "features", ""),
        ([torch.zeros(4), 1.0], "features", ""),
        ([], "features", ""),
    ],
)
def test_several_tensors_are_rows_or_outputs(value, name, remedy):
    told = one_of_several(value, name)
    assert told.startswith(remedy)
    assert bool(told) == bool(remedy)


def test_tensors_of_one_label_each_are_put_together_as_the_remedy_says():
    labels = [torch.tensor([0]), torch.tensor([2])]
    with pytest.raises(ValueError, match=r"Then torch\.cat\(labels\)\.$"):
        as_tensor("loss", "labels", labels)
    assert torch.equal(as_tensor("loss", "labels", torch.cat(labels)), torch.tensor([0, 2]))
