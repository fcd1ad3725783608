"""The sections of a search's report, one builder each; see `analysis.pages.sections`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from analysis import importance, trials
from analysis.figures import search_figures
from analysis.figures.layout import Style
from analysis.formats import text
from analysis.pages import dataset, study_sections
from analysis.pages.page import Table
from analysis.pages.report import progress
from analysis.pages.sections import LONG, Builder, Part, Reported, table_of
from analysis.search_tables import CONFIRM, CONFIRMED, StoredSearch, epochs_of, first_objective
from analysis.trials import COSTS, KIND, MARGIN, MOST_BEST
from resnet_core.runs.records.outcomes import RULE


@dataclass(frozen=True)
class SearchReported:
    """The input of the sections of a search's report: the search, its tables, and the layout of figures."""

    search: StoredSearch
    by_name: Mapping[str, pd.DataFrame]
    style: Style

    def table(self, name: str, caption: str, note: str = "", *, folded: bool = False) -> Table:
        """Return a table of the page, without hyperparameters of one value."""
        whole = self.by_name[name]
        silent = {*self.search.study.factors} - {*self.search.varied}
        return table_of(name, whole, caption, note, whole.drop(columns=silent, errors="ignore"), folded=folded)

    @property
    def goals(self) -> str:
        """The names of the objectives."""
        return " and ".join(objective.name for objective in self.search.objectives)

    @property
    def equal(self) -> str:
        """A sentence on the trials that are compared, if not all are; else an empty text."""
        return " Of the trials of the most epochs alone." if epochs_of(self.search) else ""

    @property
    def rivals(self) -> pd.DataFrame:
        """The trials that are compared with one another."""
        return trials.rivals(self.search.trials, self.search.objectives)


def best(report: SearchReported) -> Iterator[Part]:
    """The best trials, and the objectives."""
    search, by_name = report.search, report.by_name
    none = [] if len(by_name["best"]) else [f"No trial has been completed with a value of {report.goals}."]
    replicated = [
        report.table(
            "believed", "What is believed of the networks, the best first.",
            "Believed: posterior mean of the objective by the model of the oracle, from all trials. Probability: that "
            "this network is the best of those tried. Measured: number of trials, each with another seed.",
            folded=len(by_name["believed"]) > LONG,
        )
    ] if len(by_name["believed"]) else []  # fmt: skip
    yield Part("Best trials", words=none, tables=[
        *replicated,
        report.table("best", *_best_words(search, report.goals, by_name["objectives"])),
        report.table("objectives", "The objectives.",
              f"Best and worst: of the completed trials. The reference is {MARGIN:g} of their range beyond the "
              f"worst; a trial adds to the hypervolume if it is beyond it in every objective.{report.equal}"),
    ])  # fmt: skip


def _best_words(search: StoredSearch, goals: str, objectives: pd.DataFrame) -> tuple[str, str]:
    """Return the caption of the table of the best trials, and how to read it."""
    first = first_objective(search)
    note = (
        f"The {first.name} is of one run, chosen as the best of many: on average it is "
        f"{'higher' if first.rising else 'lower'} than that of the same network and training with fresh seeds."
    )
    if epochs_of(search):
        note += " Of the trials of the most epochs alone."
    if len(search.objectives) == 1:
        return f"The first {MOST_BEST} trials by {first.name} ({first.direction}).", note
    volumes = trials.anytime(search.trials, search.objectives)["hypervolume"].dropna()
    if len(volumes):
        point = ", ".join(f"{row['objective']} {text(row['reference'])}" for row in objectives.to_dict("records"))
        note = (
            f"Hypervolume: {text(float(volumes.iloc[-1]))} of the box between the reference point ({point}) and the "
            f"best value of each objective. {note}"
        )
    return (
        f"The Pareto set by {goals}: of no trial is another as good in all and beyond it in one.",
        f"Knee: the trial with the least sum of the objectives, each scaled to its range in the set. {note}",
    )


def confirmation(report: SearchReported) -> Iterator[Part]:
    """The best trials with fresh seeds: measures and verdicts."""
    search, by_name = report.search, report.by_name
    if search.confirm is None:
        yield Part("Confirmation", words=[search.why_not] if search.why_not else [])
        return
    confirmed = Reported(search.confirm, _confirmed(by_name), report.style)
    effects = confirmed.by_name["effects"]
    twins = effects[effects["factor"] == "net"] if "factor" in effects else effects
    of_twins = replace(confirmed, by_name={**confirmed.by_name, "effects": twins})
    builders = (study_sections.verdicts, study_sections.results, study_sections.classes, study_sections.effects)
    parts = [part for build in builders for part in build(confirmed)]
    drawn = [
        replace(figure, name=f"{CONFIRM}_{figure.name}")
        for build in (study_sections.effects, study_sections.results) for part in build(of_twins)
        for figure in part.figures
    ]  # fmt: skip
    kept = {
        table.name: replace(table, name=f"{CONFIRM}_{table.name}")
        for part in parts for table in part.tables if table.name in CONFIRMED
    }  # fmt: skip
    rows = Table(
        f"{CONFIRM}_found", "The value by which a trial was chosen, and that of fresh seeds.",
        by_name[f"{CONFIRM}_found"],
        f"Found: the {first_objective(search).name} of the run of the search. Confirmed: the mean over n of N runs of "
        "the same network and training with fresh seeds, with its 95 % interval of Student's t. Difference: confirmed "
        "minus found. The validation images are those by which it was chosen; the test images are not.",
    )  # fmt: skip
    words = [search.confirm.plan.question, *progress(search.confirm)]
    tables = [rows, *(kept[name] for name in CONFIRMED if name in kept and name != "verdicts")]
    yield Part("Confirmation", drawn, tables, words)
    yield Part("Verdicts", tables=[kept["verdicts"]])


def _confirmed(by_name: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables of the study of fresh seeds by their names in its own report."""
    mark = f"{CONFIRM}_"
    return {name.removeprefix(mark): table for name, table in by_name.items() if name.startswith(mark)}


def anytime(report: SearchReported) -> Iterator[Part]:
    """The best so far, after each trial."""
    table = trials.anytime(report.search.trials, report.search.objectives)
    ends = table["best_so_far" if len(report.search.objectives) == 1 else "hypervolume"]
    drawn = [search_figures.anytime(table, report.search.objectives, report.style)] if ends.notna().any() else []
    yield Part("Anytime performance", drawn, [
        report.table("anytime", "After each trial.",
              "In the order of proposal. Seconds so far: wall time of the runs up to this one, one after another.",
              folded=True),
    ])  # fmt: skip


def importances(report: SearchReported) -> Iterator[Part]:
    """The share of the objective's variance by hyperparameter."""
    by_name = report.by_name
    drawn = [search_figures.importance(by_name["importance"], report.style)] if len(by_name["importance"]) else []
    yield Part("Importance of hyperparameters", drawn, [
        report.table("importance", "Importance of the hyperparameters.", _importance_note(by_name["importance"])),
    ], words=by_name["importance_left_out"]["reason"].tolist())  # fmt: skip


def _importance_note(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    counts = table.groupby("objective", sort=False)["n"].first()
    on = ", ".join(f"{n} trials for {name}" for name, n in counts.items())
    on += f", of {table['epochs'].iloc[0]} epochs" if "epochs" in table else ""
    some = f" Each forest has {importance.MOST_TRIALS} of them." if counts.max() > importance.MOST_TRIALS else ""
    return (
        f"fANOVA (Hutter et al. 2014) on {on}: a random forest predicts the objective; the importance is the share of "
        "the prediction's variance, all values between the least and the greatest that were tried being equally "
        "likely, that goes with a hyperparameter alone. What is left to 1 goes with several together. Mean over "
        f"{importance.FORESTS} forests of {importance.TREES} trees, and their range.{some} It is not an effect, all "
        "else being equal, and says little of differences among the best trials; of few trials, or where the oracle "
        "has seldom looked, the forest knows little. A trial whose training failed is not in it. A number that is "
        "inactive has the median of the active ones; of words, inactive is one more."
    )


def coordinates(report: SearchReported) -> Iterator[Part]:
    """All trials as lines over the hyperparameters."""
    search = report.search
    if len(report.rivals) > 1 and search.varied:
        figure = search_figures.parallel_coordinates(search.trials, search.varied, search.objectives, report.style)
        yield Part("Parallel coordinates", [figure])


def skips(report: SearchReported) -> Iterator[Part]:
    """Trials with a skip against plain ones."""
    search, by_name, style = report.search, report.by_name, report.style
    both = by_name["skips"].shape[0] > 1
    compared = trials.at_equal_epochs(search.trials, first_objective(search).name)
    drawn = []
    if len(report.rivals) and compared[KIND].nunique() > 1:
        measured = [objective for objective in search.objectives if objective.name not in COSTS] or search.objectives
        drawn = [search_figures.skips(compared, measured, _of_kinds(by_name), style)]
    yield Part("Skip against plain", drawn, [
        report.table("skips", "Trials with a skip in any block, and plain ones.",
              f"The {first_objective(search).name} of n of N recorded trials; failed: diverged, or failed to train, "
              f"and in no mean. Mean with its 95 % interval of Student's t.{report.equal}"),
        report.table("skip_difference", "With a skip minus plain.",
              "Unpaired: the trials differ in their other hyperparameters too, and an oracle that learns proposes "
              "more of what has done well. So this is what the search has seen of each, not the effect of the "
              "skip; twins, of the best trials, are compared where these are confirmed. Difference of the means "
              "with its 95 % interval by Welch; p: of Welch's t-test and of the Mann-Whitney test, not corrected; "
              f"above: probability that a trial with a skip has the higher value.{report.equal}"),
    ] if both else [])  # fmt: skip


def _of_kinds(by_name: Mapping[str, pd.DataFrame]) -> str:
    """Return a text with the medians of the two kinds of networks."""
    return "; ".join(
        f"{row['network']}: median {text(row['median'])}, best {text(row['best'])} (n={row['n']} of {row['N']})"
        for row in by_name["skips"].to_dict("records")
    ) + "."  # fmt: skip


def cost(report: SearchReported) -> Iterator[Part]:
    """The objective against cost."""
    search = report.search
    if len(report.rivals):
        text = _of_best(search, report.by_name)
        yield Part("Cost", [search_figures.objectives_by_cost(search.trials, search.objectives, text, report.style)])


def _of_best(search: StoredSearch, by_name: Mapping[str, pd.DataFrame]) -> str:
    """Return a text with the first of the best trials."""
    names = list(dict.fromkeys([*(objective.name for objective in search.objectives), *COSTS]))
    row = by_name["best"].iloc[0]
    return f"Trial {row['trial']} has {', '.join(f'{text(row[name])} {name}' for name in names)}."


def outcomes(report: SearchReported) -> Iterator[Part]:
    """The trials by status, and the trials that were not completed."""
    yield Part("Outcomes", tables=[
        report.table("outcomes", "How the trials ended.",
              f"Open: proposed, and without a record. {RULE} No trial that failed is among the best."),
        report.table("failures", "The trials that were not completed."),
        report.table("trials", "Every trial.", "A dash: inactive, or not known.", folded=True),
    ])  # fmt: skip


def data(report: SearchReported) -> Iterator[Part]:
    """The classes of the data set, and the files that were skipped."""
    yield dataset.section_of(report.search.study.plan, report.by_name)


def provenance(report: SearchReported) -> Iterator[Part]:
    """The space, commands, versions and settings."""
    by_name = report.by_name
    yield Part("How it was made", lines=report.search.study.plan.commands, tables=[
        report.table("space", "The space that was searched.", folded=len(by_name["space"]) > LONG),
        report.table("environment", "What the runs were made with."),
        report.table("settings", "What all runs have in common.", folded=True),
    ])  # fmt: skip


SECTIONS: dict[str, Builder[SearchReported]] = {
    build.__name__: build
    for build in (
        best, confirmation, anytime, importances, coordinates, skips, cost, outcomes, data, provenance,
    )
}  # fmt: skip
"""The builders by name, in the order of the page."""
