"""The report of all studies of the paper: verdicts first, then each study, and the figures that need no training."""

from collections.abc import Mapping

from sigma2r.paper.claims import claims
from sigma2r.paper.pictures import geometry_sections
from sigma2r.paper.studies import STUDIES
from sigma2r.report.document import Document, Section
from sigma2r.report.folder import compared_of_all, studies_document
from sigma2r.report.paired import family_size
from sigma2r.report.verdicts import Findings, claims_compared, claims_grid
from sigma2r.studies.catalog import Known
from sigma2r.studies.study import Done, Scale


def page_family(done: Done, scales: Mapping[str, Scale], studies: Known = STUDIES) -> int:
    """How many different comparisons the page of these studies has, in tables and for claims."""
    own = {name: scale for name, scale in scales.items() if name in STUDIES}
    for_claims = claims_compared(claims(), Findings(done, own, studies))
    return family_size([*compared_of_all(done, scales, studies), *for_claims])


def paper_document(done: Done, scales: Mapping[str, Scale], studies: Known = STUDIES) -> Document:
    """The report of several studies, of which some are the paper's; without one of these, that of any studies."""
    own = {name: scale for name, scale in scales.items() if name in STUDIES}
    if not own:
        return studies_document(done, scales, studies)
    family = page_family(done, scales, studies)
    verdicts = Section(
        title="What the paper asserts, and what was found",
        paragraphs=(
            "Each assertion is looked at as the paper looks at it, at equal weight; where weights play a part also at "
            "equal strength and with each loss at its own best weight, in figures that a network cannot lower by "
            "shrinking all its features; and in each reading that the paper allows.",
        ),
        grids=(claims_grid(claims(), Findings(done, own, studies), family),),
    )
    return studies_document(
        done,
        scales,
        studies,
        title="sigma2r: the paper, run again",
        text="Everything here is built from their records, and computed by the losses themselves.",
        family=family,
        before=(verdicts,),
        after=geometry_sections(),
    )
