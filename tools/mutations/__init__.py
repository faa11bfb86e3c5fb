"""Every mutation, by the part of the source that it changes; a file of its own each."""

from tools.mutations import data, diagnosis, losses, losses_shared, metrics, paper, report, samplers, shared, studies
from tools.mutations._mutation import Mutation
from tools.mutations._tests import LOSSES, TESTS

__all__ = ["LOSSES", "MUTATIONS", "TESTS", "Mutation"]

MUTATIONS = [
    *data.MUTATIONS,
    *diagnosis.MUTATIONS,
    *losses.MUTATIONS,
    *losses_shared.MUTATIONS,
    *metrics.MUTATIONS,
    *paper.MUTATIONS,
    *report.MUTATIONS,
    *samplers.MUTATIONS,
    *shared.MUTATIONS,
    *studies.MUTATIONS,
]
