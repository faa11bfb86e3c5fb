"""Accept what looks like the known classes, reject the rest: a score, and thresholds from validation images alone.

Axes: N samples, C classes, D feature dimensions.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sigma2r._shown import shown
from sigma2r._suggest import unknown
from sigma2r._values import Count, Rule, checked, converted
from sigma2r.evaluation._inputs import check_name, names_of, told
from sigma2r.evaluation._judging import fitted, judged, num_classes_of, num_rows
from sigma2r.evaluation._kept import KeepsDtype
from sigma2r.evaluation._stated import Facts, stated
from sigma2r.evaluation.prototypes import ClassPrototypes
from sigma2r.evaluation.scores import SCORES, Judged, Score
from sigma2r.evaluation.thresholds import class_thresholds, least_images, rank_of
from sigma2r.losses._checks import class_indices

Thresholds = Literal["common", "per-class"]
Rate = Annotated[float, Rule("lie in (0, 1)", lambda value: 0 < value < 1)]
SCHEMA = 1  # of a stored state
_OWN = ("class_thresholds", "images", "rejected", "threshold")


class Rejector(KeepsDtype):
    """Which samples are of the known classes, as far as a score tells: those whose score reaches a threshold.

    Every score is higher for what is more known (:class:`~sigma2r.evaluation.Score`), so a sample is accepted where its
    score is *at least* the threshold. Made by :meth:`fit`. Where no score can be told, as of NaN features, nothing is
    accepted.

    As a module it has the score's buffers and its thresholds, and no parameters; ``state()`` gives it as tensors and a
    description that JSON can hold, from which :meth:`from_state` makes it again without running any code from there.

    Example:
        >>> labels = torch.arange(400) % 2
        >>> features = 9.0 * labels.unsqueeze(1) + torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
        >>> train, validation = (features[:200], labels[:200]), (features[200:], labels[200:])
        >>> rejector = Rejector.fit(*validation, score="center-distance", reference=train, false_rejects=0.05)
        >>> rejector.accepts(torch.tensor([[0.5, 0.5], [9.0, 8.0], [4.5, 4.5]]))
        tensor([ True,  True, False])
    """

    threshold: Tensor
    """The threshold of all validation images, a scalar in the dtype of the scores."""
    class_thresholds: Tensor
    """Those of single classes, (C,); NaN where the one of all is taken."""
    images: Tensor
    """Validation images of each class, (C,) int64."""
    rejected: Tensor
    """How many of them are rejected, (C,) int64."""

    @checked
    def __init__(
        self,
        score: Score,
        *,
        class_names: Sequence[str],
        false_rejects: Rate,
        thresholds: Thresholds,
        threshold: Tensor,
        class_thresholds: Tensor,
        images: Tensor,
        rejected: Tensor,
    ) -> None:
        super().__init__()
        self.score = score
        self.false_rejects = false_rejects
        self.thresholds: Thresholds = thresholds
        self.class_names = names_of("Rejector", class_names, images.shape[0])
        given = (class_thresholds, images, rejected, threshold)
        if [tensor.shape for tensor in given] != [*[images.shape[:1]] * 3, ()]:
            shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in zip(_OWN, given, strict=True))
            raise ValueError(f"Rejector: there must be one threshold, and three numbers for each class; got {shapes}.")
        kinds = [tensor.is_floating_point() or tensor.dtype for tensor in given]
        if kinds != [True, torch.int64, torch.int64, True] or int(torch.stack([images, rejected]).amin()) < 0:
            told_kinds = ", ".join(f"{name} {tensor.dtype}" for name, tensor in zip(_OWN, given, strict=True))
            raise ValueError(
                f"Rejector: thresholds must be floating-point, and counts int64 of at least 0; got {told_kinds}."
            )
        if not threshold.isfinite() or int(images.sum()) < least_images(false_rejects):
            raise ValueError(
                f"Rejector: the threshold must be a finite score of {least_images(false_rejects)} images at least; got "
                f"{float(threshold):g} of {int(images.sum())}."
            )
        for name, tensor in zip(_OWN, given, strict=True):
            self.register_buffer(name, tensor.detach().clone())

    @classmethod
    def fit(
        cls,
        features: Float[Tensor, "N D"] | None,
        labels: Int[Tensor, " N"],
        *,
        score: str | Score | nn.Module,
        logits: Float[Tensor, "N C"] | None = None,
        reference: tuple[Any, Any] | None = None,
        false_rejects: float = 0.05,
        thresholds: Thresholds = "common",
        least_per_class: int | None = None,
        class_names: Sequence[str] | None = None,
    ) -> "Rejector":
        r"""Thresholds at a rate of false rejects, from validation images of the known classes.

        The threshold is the r-th smallest score of n images, :math:`r = \lfloor \alpha (n + 1) \rfloor`: of new images
        drawn as these were, at most the share r / (n + 1), and so at most ``false_rejects``, is rejected in the mean
        over such sets of n (see :mod:`~sigma2r.evaluation.thresholds`). That holds if none of them was used to fit the
        score or to train the network.

        Args:
            features: Of validation images, shape ``(N, D)``; None for a score of logits.
            labels: Their classes, shape ``(N,)``: for the counts by class in :meth:`describe`. No threshold depends on
                them.
            score: ``"center-distance"``, ``"mahalanobis"`` or ``"nearest-neighbors"``, fitted to ``reference`` by
                default settings; ``"max-softmax"`` or ``"energy"``; a :class:`Score` that is fitted, which is kept as
                it is; or a loss with centers or :class:`ClassPrototypes`: the distance to a copy of their centers.
            logits: Of validation images, shape ``(N, C)``, for a score of logits.
            reference: Features and labels, mostly of training images, to which a score given by name is fitted.
            false_rejects: alpha, in (0, 1).
            thresholds: ``"common"``: one for all. ``"per-class"``: for the images that the score takes for one class, a
                threshold of their own, where there are enough of them; the promise then holds for each such class.
                Classes with too few have the common threshold, and no promise of their own.
            least_per_class: What is enough; default the least n with r >= 1, which is 19 for 0.05.
            class_names: A name for each class, for :meth:`describe`; default those of :class:`ClassPrototypes`, or
                their indices.

        Raises:
            ValueError: If something does not fit, the score is not known, not fitted, or wants what is not given,
                validation images are those of ``reference``, scores are not finite, or there are too few images.

        Warns:
            UserWarning: If a class has no validation image.
        """
        who = "Rejector.fit"
        alpha = converted(who, "false_rejects", Rate, false_rejects)
        how = converted(who, "thresholds", Thresholds, thresholds)
        least = least_images(alpha)
        if least_per_class is not None:
            least = max(least, converted(who, "least_per_class", Count, least_per_class))
        known = class_indices(who, "labels", labels, num_rows(who, features, logits))
        chosen = fitted(who, score, reference, features)
        says = judged(who, chosen, features, logits)
        num_images = known.shape[0]
        if num_images < least_images(alpha):
            least_rate = math.ceil(1e4 / (num_images + 1)) / 1e4
            raise ValueError(
                f"{who}: for false_rejects={alpha:g} there must be at least {least_images(alpha)} validation images; "
                f"got {num_images}. Give more, or false_rejects of at least {least_rate:g}."
            )
        if num_bad := int((~says.score.isfinite()).sum()):
            raise ValueError(
                f"{who}: scores of validation images must be finite; {num_bad} of {num_images} are not. Do "
                f"{chosen.sees} hold NaN or infinite values?"
            )
        known = known.to(says.label.device)
        num_classes = num_classes_of(who, chosen, known, says, logits)
        if class_names is None and isinstance(score, ClassPrototypes):
            class_names = score.class_names
        names = names_of(who, class_names, num_classes)
        common = says.score.kthvalue(rank_of(num_images, alpha)).values
        own = torch.full((num_classes,), torch.nan, dtype=common.dtype, device=common.device)
        if how == "per-class":
            own = class_thresholds(says.score, says.label, num_classes, alpha, least)
        images = known.bincount(minlength=num_classes)
        rejector = cls(
            chosen,
            class_names=names,
            false_rejects=alpha,
            thresholds=how,
            threshold=common,
            class_thresholds=own,
            images=images,
            rejected=torch.zeros_like(images),
        )
        rejector.rejected = known[~rejector._accepted(says)].bincount(minlength=num_classes)
        if without := [name for name, n in zip(names, rejector.images.tolist(), strict=True) if not n]:
            warnings.warn(
                f"{who}: {len(without)} of {num_classes} classes have no validation image, so how many of theirs are "
                f"rejected is not known: {told(without)}.",
                stacklevel=2,
            )
        return rejector

    def scores(
        self, features: Float[Tensor, "N D"] | None = None, *, logits: Float[Tensor, "N C"] | None = None
    ) -> Float[Tensor, " N"]:
        """How known samples look, shape ``(N,)``, float32 or wider; higher is more known.

        Args:
            features: Shape ``(N, D)``, for a score of features.
            logits: Shape ``(N, C)``, for a score of logits.

        Raises:
            ValueError: If what the score sees is not given or does not fit.
        """
        return judged("Rejector.scores", self.score, features, logits).score

    def accepts(
        self, features: Float[Tensor, "N D"] | None = None, *, logits: Float[Tensor, "N C"] | None = None
    ) -> Bool[Tensor, " N"]:
        """Which samples are accepted, shape ``(N,)``; where features or logits are not finite, none is.

        Args:
            features: Shape ``(N, D)``, for a score of features.
            logits: Shape ``(N, C)``, for a score of logits.

        Raises:
            ValueError: If what the score sees is not given or does not fit.
        """
        return self._accepted(judged("Rejector.accepts", self.score, features, logits))

    def forward(
        self, features: Float[Tensor, "N D"] | None = None, *, logits: Float[Tensor, "N C"] | None = None
    ) -> Bool[Tensor, " N"]:
        """As :meth:`accepts`."""
        return self.accepts(features, logits=logits)

    def _accepted(self, says: Judged) -> Tensor:
        own = self.class_thresholds[says.label.clamp(0, self.class_thresholds.shape[0] - 1)]
        threshold = torch.where(own.isnan(), self.threshold, own)
        return (says.score >= threshold) & says.score.isfinite()

    def add_class(self, name: str, features: Float[Tensor, "M D"]) -> None:
        """Add a class by its images, without training; it has the threshold of all, from which nothing is promised.

        Args:
            name: One that no class has yet.
            features: Shape ``(M, D)``, finite, at least one.

        Raises:
            ValueError: If there is such a class already, features do not fit, or the score is one of logits.
        """
        who = "Rejector.add_class"
        check_name(who, name)
        if name in self.class_names:
            raise ValueError(
                f"{who}: the name must be one that no class has yet; {told([name])} is class "
                f"{self.class_names.index(name)}."
            )
        self.score.add_class(features)
        self.class_names = (*self.class_names, name)
        self.class_thresholds = torch.cat([self.class_thresholds, self.class_thresholds.new_full((1,), torch.nan)])
        self.images, self.rejected = (torch.cat([each, each.new_zeros(1)]) for each in (self.images, self.rejected))

    def describe(self) -> str:
        """What is accepted, by which threshold, and what that promises: a few sentences."""
        return stated(
            Facts(
                self.score.name or type(self.score).__name__,
                self.false_rejects,
                self.class_names,
                float(self.threshold),
                self.class_thresholds if self.thresholds == "per-class" else None,
                self.images,
                self.rejected,
            )
        )

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The rejector as tensors, for a file that holds tensors alone, and a description that JSON can hold.

        Raises:
            ValueError: If the score is one of one's own, without a name in ``sigma2r.evaluation.SCORES``.
        """
        if SCORES.get(self.score.name) is not type(self.score):
            raise ValueError(
                f"Rejector.state: the score must be one that from_state knows ({', '.join(SCORES)}); got "
                f"{shown(self.score)}. Of one's own: store its tensors and the thresholds apart."
            )
        return {name: tensor.detach().clone() for name, tensor in self.state_dict().items()}, {
            "schema": SCHEMA,
            "score": self.score.name,
            "settings": self.score.keywords(),
            "false_rejects": self.false_rejects,
            "thresholds": self.thresholds,
            "class_names": list(self.class_names),
        }

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> "Rejector":
        """The rejector whose :meth:`state` these are.

        Args:
            tensors: Loaded from wherever, weights only.
            description: Read from JSON.

        Raises:
            ValueError: If something is missing, unknown or does not fit.
        """
        who = "Rejector.from_state"
        if not isinstance(description, Mapping) or description.get("schema") != SCHEMA:
            got = description.get("schema") if isinstance(description, Mapping) else description
            raise ValueError(f"{who}: the description must be one of schema {SCHEMA}; got {shown(got)}.")
        try:
            name, settings = description["score"], description["settings"]
            rest: dict[str, Any] = {key: description[key] for key in ("class_names", "false_rejects", "thresholds")}
            own: dict[str, Any] = {key: tensors[key] for key in _OWN}
        except KeyError as error:
            raise ValueError(f"{who}: the state must be whole; {error.args[0]!r} is missing.") from error
        if not isinstance(name, str) or name not in SCORES:
            raise unknown("score", name, SCORES)
        for key, tensor in tensors.items():
            if not isinstance(tensor, Tensor):
                raise ValueError(f"{who}: {key} must be a tensor; got {shown(tensor)}.")
        learned = {key.removeprefix("score."): tensor for key, tensor in tensors.items() if key.startswith("score.")}
        try:
            score = SCORES[name](**learned, **settings)
        except TypeError as error:
            raise ValueError(f"{who}: tensors and settings must be those of {name}; {error}.") from error
        return cls(score, **own, **rest)

    def extra_repr(self) -> str:
        """Settings, for ``print(rejector)``."""
        return f"false_rejects={self.false_rejects:g}, thresholds={self.thresholds!r}"
