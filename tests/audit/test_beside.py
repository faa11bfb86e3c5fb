"""What cleanlab says, beside ours."""

import torch

from sigma2r.audit.beside import cleanlab_beside


def test_quality_is_the_probability_of_the_given_class_and_what_is_least_likely_is_an_issue(generator):
    labels = torch.arange(60) % 3
    probabilities = (5 * torch.nn.functional.one_hot(labels, 3) + torch.randn(60, 3, generator=generator)).softmax(1)
    given = labels.clone()
    given[1:13:3] = 2  # are of class 1
    said = cleanlab_beside(probabilities, given)
    torch.testing.assert_close(said.quality, probabilities.double()[range(60), given])
    assert {1, 4} <= set(said.issue.nonzero().flatten().tolist()) <= {1, 4, 7, 10}
