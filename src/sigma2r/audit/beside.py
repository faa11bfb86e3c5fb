"""cleanlab beside ours, where it is installed: another's word on the same probabilities.

Axes: N images, C classes.
"""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sigma2r._extras import or_which_extra

_WHO = "audit: cleanlab beside ours"


@dataclass(frozen=True)
class Beside:
    """What cleanlab says.

    Args:
        quality: Its score of the given labels, in [0, 1], shape ``(N,)``: the lower, the more suspicious.
        issue: Whether it takes a label for an error, shape ``(N,)``.
    """

    quality: Float[Tensor, " N"]
    issue: Bool[Tensor, " N"]


def is_installed() -> bool:
    """Whether cleanlab can be asked."""
    return find_spec("cleanlab") is not None


def refuse_absent() -> None:
    """Refuse before anything is trained.

    Raises:
        ImportError: In one sentence, if cleanlab is missing.
    """
    with or_which_extra(_WHO):
        import cleanlab  # noqa: F401


def tell_if_of_one_class(labels: Int[Tensor, " N"]) -> bool:
    """Whether labels are of a single class, which cleanlab refuses; that it is not asked is told then.

    Warns:
        UserWarning: If they are.
    """
    if is_one := bool((labels == labels[:1]).all()):
        warnings.warn(
            f"{_WHO}: labels must be of 2 classes or more; those of all images are of one, so it is not asked.",
            stacklevel=4,
        )
    return is_one


def cleanlab_beside(probabilities: Float[Tensor, "N C"], labels: Int[Tensor, " N"]) -> Beside:
    """Cleanlab's quality of each label, and the labels that it takes for errors, both by its defaults.

    Args:
        probabilities: Of each class, of networks that were not trained on the image, shape ``(N, C)``.
        labels: Given classes, shape ``(N,)``, of 2 or more.

    Raises:
        ImportError: In one sentence, if cleanlab is missing.

    Source: ``get_label_quality_scores`` (self-confidence) and ``find_label_issues`` (pruning by noise rate) of cleanlab
    2; "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021.
    """
    with or_which_extra(_WHO):
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    given, seen = labels.numpy(), probabilities.double().numpy()
    quality = torch.from_numpy(get_label_quality_scores(given, seen).copy())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="May not flag all label issues")  # small classes are told by ours
        issue = torch.from_numpy(find_label_issues(given, seen, n_jobs=1).copy())
    return Beside(quality, issue)
