"""What may be wrong with a data set: labels, outliers, duplicates and leaks, classes that overlap or are too small."""

from sigma2r.audit.auditing import audit
from sigma2r.audit.classes import Overlap, confusion, overlaps, too_small
from sigma2r.audit.exact import grouped, pixel_digests, same
from sigma2r.audit.findings import Findings, find
from sigma2r.audit.folds import assign_folds
from sigma2r.audit.groups import Group
from sigma2r.audit.labels import LabelErrors, class_log_probabilities, label_errors
from sigma2r.audit.near import near_pairs, near_within, signatures
from sigma2r.audit.outliers import far_out, isolation

__all__ = [
    "Findings",
    "Group",
    "LabelErrors",
    "Overlap",
    "assign_folds",
    "audit",
    "class_log_probabilities",
    "confusion",
    "far_out",
    "find",
    "grouped",
    "isolation",
    "label_errors",
    "near_pairs",
    "near_within",
    "overlaps",
    "pixel_digests",
    "same",
    "signatures",
    "too_small",
]
