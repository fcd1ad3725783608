"""Sections of a report: each builder returns its own figures and tables, a user's too."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures.layout import STYLES, Drawn
from analysis.pages import report
from analysis.pages.page import Table
from analysis.pages.report_files import sections_drawn
from analysis.pages.sections import Part
from analysis.pages.study_sections import SECTIONS, register_section
from resnet_core.errors import UserError
from tests.analysis.synthetic import PAGE, study


@pytest.fixture
def sections():
    """The sections, and afterwards those that there were before."""
    before = dict(SECTIONS)
    yield SECTIONS
    SECTIONS.clear()
    SECTIONS.update(before)


def drawn(name):
    return Drawn(name, "Mine", Figure(), "Nothing.", "An empty figure.")


def test_a_section_of_a_user_has_its_place_its_figure_and_its_table(sections, tmp_path):
    @register_section(before="outcomes")
    def mine(reported):
        table = pd.DataFrame({"seeds": [reported.seeds]})
        yield Part("Mine", [drawn("mine")], [Table("mine", "How many seeds.", table)])

    assert list(sections).index("mine") + 1 == list(sections).index("outcomes")
    register_section(before="verdicts")(mine)
    assert next(iter(sections)) == "mine"
    page, _ = report.write(
        report.read(study(tmp_path / "study", [{"skip": "A"}, {"skip": "none"}], 2)), tmp_path / "report", PAGE
    )
    text = page.read_text()
    assert text.index('<section id="mine"') < text.index('<section id="results"')
    assert (page.parent / "figures" / "mine.svg").exists()
    assert pd.read_csv(page.parent / "tables" / "mine.csv")["seeds"].tolist() == [2]


def test_names_of_sections_are_not_taken_from_others(sections):
    with pytest.raises(UserError, match="`before` must name a section, but got 'outcome'; did you mean 'outcomes'"):
        register_section(before="outcome")(lambda reported: [])

    def verdicts(reported):
        return []

    with pytest.raises(UserError, match="there is a section 'verdicts' already"):
        register_section()(verdicts)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (lambda: Part("A", [drawn("one")]), "figures"),
        (lambda: Part("A", tables=[Table("one", "", pd.DataFrame({"a": [1]}))]), "tables"),
    ],
)
def test_two_figures_or_tables_of_one_name_would_be_one_file(part, kind):
    with pytest.raises(ValueError, match=f"{kind} of a report must have names of their own, but two are called 'one'"):
        sections_drawn([lambda _: [part()], lambda _: [part()]], None, STYLES["screen"])
