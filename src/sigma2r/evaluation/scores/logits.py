r"""Scores of logits: the largest softmax probability, and the negative energy.

Axes: N samples, C classes.
"""

import torch
from torch import Tensor

from sigma2r._values import Positive, checked
from sigma2r.evaluation.scores._score import Judged, Score
from sigma2r.losses._precision import widest, working_dtype


class MaxSoftmax(Score):
    r"""The probability of the class that the network says: the baseline of rejection.

    .. math:: s(z) = \max_k \frac{e^{z_k / T}}{\sum_j e^{z_j / T}}

    It is computed and given in float64, where the device has that: float32 cannot tell 1 - 1e-8 from 1, and of networks
    that are sure of themselves most images would have the same score.

    Args:
        temperature: T; the authors' baseline has none, so 1.

    Raises:
        ValueError: If ``temperature`` is not positive and finite, or logits have a single class, of which it is always
            1.

    Example:
        >>> MaxSoftmax()(torch.tensor([[0.0, 0.0], [9.0, 0.0]]))
        tensor([0.5000, 0.9999], dtype=torch.float64)

    Source: "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks", ICLR 2017,
    section 3. The score of pytorch-ood's ``MaxSoftmax`` is the negative of this one.
    """

    name = "max-softmax"
    sees = "logits"
    learns = False
    settings = ("temperature",)

    @checked
    def __init__(self, *, temperature: Positive = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def judge_rows(self, rows: Tensor) -> Judged:
        """Probability and place of the largest logit."""
        if rows.shape[1] < 2:
            raise ValueError(
                f"MaxSoftmax: logits must have at least two classes; got shape {tuple(rows.shape)}, where the "
                "probability is always 1. One class: a score of features."
            )
        scaled = rows.to(widest(rows.device)) / self.temperature
        largest, label = scaled.max(1)
        return Judged(1 / (scaled - largest.unsqueeze(1)).exp().sum(1), label)


class Energy(Score):
    r"""The negative free energy of the logits: a smooth maximum, which knows how large they are.

    .. math:: s(z) = -E(z) = T \log \sum_k e^{z_k / T}

    Args:
        temperature: T; the authors take 1.

    Raises:
        ValueError: If ``temperature`` is not positive and finite.

    Example:
        >>> Energy()(torch.tensor([[0.0, 0.0], [9.0, 0.0]]))
        tensor([0.6931, 9.0001])

    Source: "Energy-based Out-of-distribution Detection", NeurIPS 2020, eq. 4; a sample is known where the negative
    energy is high (eq. 7). The score of pytorch-ood's ``EnergyBased`` is the energy itself, the negative of this one.
    """

    name = "energy"
    sees = "logits"
    learns = False
    settings = ("temperature",)

    @checked
    def __init__(self, *, temperature: Positive = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def judge_rows(self, rows: Tensor) -> Judged:
        """The negative energy, and the place of the largest logit."""
        logits = rows.to(working_dtype(rows))
        return Judged(self.temperature * torch.logsumexp(logits / self.temperature, 1), logits.argmax(1))
