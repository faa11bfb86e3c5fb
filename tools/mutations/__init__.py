"""Every mutation, by the part of the source that it changes; a file of its own each."""

from tools.mutations import (
    adapters,
    audit,
    cli,
    data,
    diagnosis,
    exporting,
    losses,
    losses_shared,
    measures,
    metrics,
    models,
    paper,
    rejection,
    report,
    samplers,
    shared,
    studies,
    trained,
    training,
)
from tools.mutations._mutation import Mutation
from tools.mutations._tests import TESTS, each_once, stages_of, tests_of

__all__ = ["MUTATIONS", "TESTS", "Mutation", "each_once", "stages_of", "tests_of"]

MUTATIONS = [
    *adapters.MUTATIONS,
    *audit.MUTATIONS,
    *cli.MUTATIONS,
    *data.MUTATIONS,
    *diagnosis.MUTATIONS,
    *exporting.MUTATIONS,
    *losses.MUTATIONS,
    *losses_shared.MUTATIONS,
    *measures.MUTATIONS,
    *metrics.MUTATIONS,
    *models.MUTATIONS,
    *paper.MUTATIONS,
    *rejection.MUTATIONS,
    *report.MUTATIONS,
    *samplers.MUTATIONS,
    *shared.MUTATIONS,
    *studies.MUTATIONS,
    *trained.MUTATIONS,
    *training.MUTATIONS,
]
