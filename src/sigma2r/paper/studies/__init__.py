"""The studies of the paper by the names that a user types, one file each."""

from sigma2r.paper.studies import (
    fashion_mnist_accuracy,
    figure_4,
    figure_5,
    sensitivity,
    table_1,
    table_2,
    table_3,
    table_4,
)
from sigma2r.studies.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        table_1.STUDY,
        fashion_mnist_accuracy.STUDY,
        figure_4.STUDY,
        table_2.STUDY,
        table_3.STUDY,
        table_4.STUDY,
        figure_5.STUDY,
        sensitivity.STUDY,
    )
}
