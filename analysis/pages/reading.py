"""The section *How to read this* of a page."""

from collections.abc import Iterator

import pandas as pd

from analysis.judging import calibration
from analysis.pages import captions, words
from analysis.pages.page import Table
from analysis.pages.sections import Part, Reported
from analysis.study import StudyRecords

HOW = (
    "An arm is one kind of network or training. The runs of an arm differ only in their seed, which sets the initial "
    "weights and the order of the images. Two arms are compared seed by seed, which cancels what both have in common.",
    "An interval shows how precisely a mean is known: about 95 of 100 such intervals contain the true mean, provided "
    "the errors are roughly normal. With few seeds intervals are wide, and with one seed there is none. An interval "
    "ends where the measure does: no error is below 0 or above 1.",
    "A verdict judges one claim of the study's plan. Supported: the records show that the claim holds, at 5 % for all "
    "claims together. Refuted: they show that it does not hold. Inconclusive: they show neither, which does not mean "
    "that there is no difference. The line below a claim says what would change its verdict.",
    "A run whose training failed is never averaged with the others. It is counted separately, the figures draw it "
    "outside the scale, and verdicts count it against its arm. A click on an arm highlights it in all figures.",
)


def reading(report: Reported) -> Iterator[Part]:
    """How to read the page: arms, intervals, verdicts and the words of its tables."""
    study = report.study
    tables = []
    arms = arms_table(study)
    if len(arms):
        tables.append(Table("arms", "What the levels are.", arms, suffixes=()))
    columns = [str(name) for table in report.by_name.values() for name in table]
    tables.append(Table("glossary", "The words of the tables.", words.glossary(columns), folded=True, suffixes=()))
    sure = [calibration.sentence(report.seeds)] if report.seeds else []
    verdicts = [captions.VERDICTS, calibration.of_verdicts(report.seeds)] if len(report.by_name["verdicts"]) else []
    yield Part("How to read this", words=[*HOW, *sure, *filter(None, verdicts)], tables=tables)


def arms_table(study: StudyRecords) -> pd.DataFrame:
    """Return the names and descriptions of a study's levels: `factor`, `level`, `name` and `what it is`."""
    rows = [
        (factor, level, *(part.strip() for part in (name, sentence)))
        for factor, levels in study.plan.words.items()
        for level, (name, _, sentence) in ((level, words.partition(":")) for level, words in levels.items())
    ]
    return pd.DataFrame(rows, columns=["factor", "level", "name", "what it is"])
