"""What cleanlab says, beside ours."""

import pytest
import torch

from sigma2r.audit.beside import cleanlab_beside, tell_if_of_one_class


def test_quality_is_the_probability_of_the_given_class_and_what_is_least_likely_is_an_issue(generator):
    labels = torch.arange(60) % 3
    probabilities = (5 * torch.nn.functional.one_hot(labels, 3) + torch.randn(60, 3, generator=generator)).softmax(1)
    given = labels.clone()
    given[1:13:3] = 2  # are of class 1
    said = cleanlab_beside(probabilities, given)
    torch.testing.assert_close(said.quality, probabilities.double()[range(60), given])
    assert {1, 4} <= set(said.issue.nonzero().flatten().tolist()) <= {1, 4, 7, 10}


def test_labels_of_one_class_are_told_and_cleanlab_is_not_asked():
    with pytest.warns(
        UserWarning, match=r"^audit: cleanlab beside ours: labels must be of 2 classes or more; .* of one"
    ):
        assert tell_if_of_one_class(torch.ones(3, dtype=torch.int64))
    assert not tell_if_of_one_class(torch.tensor([1, 1, 0]))
