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
        return " Only trials with the most epochs are compared." if epochs_of(self.search) else ""

    @property
    def rivals(self) -> pd.DataFrame:
        """The trials that are compared with one another."""
        return trials.rivals(self.search.trials, self.search.objectives)


def best(report: SearchReported) -> Iterator[Part]:
    """The best trials, and the objectives."""
    search, by_name = report.search, report.by_name
    none = [] if len(by_name["best"]) else [f"No completed trial has a value of {report.goals}."]
    replicated = [
        report.table(
            "believed", "Estimates for the networks, best first.",
            "Believed: posterior mean of the objective by the model of the oracle, from all trials. Probability that "
            "this network is the best of those tried. Measured: number of trials, each with another seed.",
            folded=len(by_name["believed"]) > LONG,
        )
    ] if len(by_name["believed"]) else []  # fmt: skip
    yield Part("Best trials", words=none, tables=[
        *replicated,
        report.table("best", *_best_words(search, report.goals, by_name["objectives"])),
        report.table("objectives", "The objectives of the search.",
              f"Best and worst value of the completed trials. The reference is {MARGIN:g} of their range beyond the "
              f"worst value; a trial adds to the hypervolume if it is beyond it in every objective.{report.equal}"),
    ])  # fmt: skip


def _best_words(search: StoredSearch, goals: str, objectives: pd.DataFrame) -> tuple[str, str]:
    """Return the caption of the table of the best trials, and how to read it."""
    first = first_objective(search)
    note = (
        f"The {first.name} is that of one run, chosen as the best of many. On average it is "
        f"{'higher' if first.rising else 'lower'} than that of the same network and training with fresh seeds."
    )
    if epochs_of(search):
        note += " Only trials with the most epochs are compared."
    if len(search.objectives) == 1:
        return f"The best {MOST_BEST} trials by {first.name} ({first.direction}).", note
    volumes = trials.anytime(search.trials, search.objectives)["hypervolume"].dropna()
    if len(volumes):
        point = ", ".join(f"{row['objective']} {text(row['reference'])}" for row in objectives.to_dict("records"))
        note = (
            f"The hypervolume is {text(float(volumes.iloc[-1]))} of the box between the reference point ({point}) and "
            f"the best value of each objective. {note}"
        )
    return (
        f"The Pareto set by {goals}: no other trial is as good in all objectives and beyond it in one.",
        f"Knee: the trial with the smallest sum of the objectives, each scaled to its range in the set. {note}",
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
        f"{CONFIRM}_found", "The value by which each trial was chosen, and its value with fresh seeds.",
        by_name[f"{CONFIRM}_found"],
        f"Found: the {first_objective(search).name} of the trial in the search. Confirmed: the mean over n of N runs "
        "of the same network and training with fresh seeds, with its 95 % interval by Student's t. Difference: "
        "confirmed minus found. The search chose the trial by the validation images; it did not use the test images.",
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
        report.table("anytime", "Best result after each trial.",
              "Trials are in the order of their proposal. Seconds so far: sum of the wall times of the runs up to this "
              "one.",
              folded=True),
    ])  # fmt: skip


def importances(report: SearchReported) -> Iterator[Part]:
    """The share of the objective's variance by hyperparameter."""
    by_name = report.by_name
    drawn = [search_figures.importance(by_name["importance"], report.style)] if len(by_name["importance"]) else []
    yield Part("Importance of hyperparameters", drawn, [
        report.table("importance", "Importance of each hyperparameter.", _importance_note(by_name["importance"])),
    ], words=by_name["importance_left_out"]["reason"].tolist())  # fmt: skip


def _importance_note(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    counts = table.groupby("objective", sort=False)["n"].first()
    on = ", ".join(f"{n} trials for {name}" for name, n in counts.items())
    on += f", with {table['epochs'].iloc[0]} epochs" if "epochs" in table else ""
    some = f" Each forest uses {importance.MOST_TRIALS} of them." if counts.max() > importance.MOST_TRIALS else ""
    return (
        f"fANOVA (Hutter et al. 2014) on {on}: a random forest predicts the objective, and the importance of a "
        "hyperparameter is the share of the variance of the prediction that it explains alone, if all values in the "
        "range that was tried are equally likely. The rest up to 1 belongs to several hyperparameters together. Mean "
        f"and range over {importance.FORESTS} forests of {importance.TREES} trees.{some} The importance is not an "
        "effect with all else equal, and it says little about differences among the best trials. With few trials, or "
        "in regions that the oracle has seldom tried, it is unreliable. Trials whose training failed are left out. An "
        "inactive number counts as the median of the active ones; an inactive category is a category of its own."
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
        report.table("skips", "Trials with a skip in any block, and plain trials.",
              f"The {first_objective(search).name} of n of N recorded trials. Failed: the trial diverged or failed to "
              f"train, and is not part of the mean. Mean with its 95 % interval by Student's t.{report.equal}"),
        report.table("skip_difference", "Difference between trials with a skip and plain trials.",
              "The comparison is unpaired: the trials also differ in their other hyperparameters, and an oracle that "
              "learns proposes more of what has done well. So the table describes what the search has tried; it does "
              "not show the effect of the skip. The confirmation compares the best trials with twins that differ in "
              "the skip alone. Difference of the means with its 95 % interval by Welch; p by Welch's t-test and by the "
              f"Mann-Whitney test, not corrected.{report.equal}"),
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
        report.table("outcomes", "Outcomes of the trials.",
              f"Open: proposed, but without a record. {RULE} A failed trial is never among the best."),
        report.table("failures", "Trials that were not completed."),
        report.table("trials", "All trials.", "A dash marks a value that is inactive or unknown.", folded=True),
    ])  # fmt: skip


def data(report: SearchReported) -> Iterator[Part]:
    """The classes of the data set, and the files that were skipped."""
    yield dataset.section_of(report.search.study.plan, report.by_name)


def provenance(report: SearchReported) -> Iterator[Part]:
    """The space, commands, versions and settings."""
    by_name = report.by_name
    yield Part("How it was made", lines=report.search.study.plan.commands, tables=[
        report.table("space", "Hyperparameters and their ranges.", folded=len(by_name["space"]) > LONG),
        report.table("environment", "Versions and hardware of the runs."),
        report.table("settings", "Settings that all runs have in common.", folded=True),
    ])  # fmt: skip


SECTIONS: dict[str, Builder[SearchReported]] = {
    build.__name__: build
    for build in (
        best, confirmation, anytime, importances, coordinates, skips, cost, outcomes, data, provenance,
    )
}  # fmt: skip
"""The builders by name, in the order of the page."""
