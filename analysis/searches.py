"""The report of a search: which tables and figures there are, and in which order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import style as styles

from analysis import dataset, importance, report, search_figures, tables, trials
from analysis.figures import STYLES, Drawn, Style
from analysis.formats import text
from analysis.page import MOST_ROWS, Image, Page, Section, Table
from analysis.report import PAGE, SEED, drawn_files, image_files, write_files
from analysis.study import Study, read
from analysis.trials import BUDGET, COSTS, KIND, MARGIN, MOST_BEST, Objective
from resnet_core.errors import UserError
from resnet_core.runs.records.outcomes import RULE

CONFIRM = "confirm"
CONFIRMED = ("verdicts", "accuracy", "effects", "summary")
"""The tables of the study of fresh seeds that are in the report of the search."""
NAMES = {BUDGET: "epochs", KIND: "network"}


@dataclass(frozen=True)
class Search:
    """What is reported on: the study that a search's folder is, its objectives, its trials.

    Attributes:
        study: The folder, read.
        of: The objectives.
        trials: See `analysis.trials.table`.
        varied: The hyperparameters of two values or more, and the epochs if these differ.
        confirm: The study of the best with fresh seeds.
        why_not: Why there is none, if it is begun.
    """

    study: Study
    of: tuple[Objective, ...]
    trials: pd.DataFrame
    varied: list[str]
    confirm: Study | None = None
    why_not: str = ""


def search_of(study: Study, folder: Path) -> Search:
    """Return the search whose folder has been read, with its confirmation if it has one.

    Raises:
        UserError: The plan has no objective that is known.
    """
    of = trials.objectives(str(study.plan.base.get("objective")))
    rows = trials.table(study, of)
    confirm, why_not = None, ""
    if (folder / CONFIRM / "study.json").exists():
        try:
            confirm = read(folder / CONFIRM)
        except UserError as error:
            why_not = str(error)
    return Search(study, of, rows, trials.varied(rows, study.factors), confirm, why_not)


def tables_of(search: Search) -> dict[str, pd.DataFrame]:
    """Return the tables of the report by name, each a column a name and every digit; without rows if it has none."""
    rows, of, study = search.trials, search.of, search.study
    rng = np.random.default_rng(SEED)
    weighed = [importance.table(rows, study.factors, one, rng) for one in of if one.name not in COSTS]
    goals = [one.name for one in of]
    told = [*study.factors, *([KIND] if "skip" not in study.factors else []), *_epochs(search)]
    listed = list(dict.fromkeys(["trial", *goals, *COSTS, *told, "seconds"]))
    best = trials.best(rows, of)
    by_name = {
        "best": best[[*(name for name in ("rank", "knee") if name in best), *listed]],
        "objectives": trials.reference(rows, of) if len(of) > 1 else pd.DataFrame(),
        "anytime": _anytime(search),
        "importance": pd.concat([table for table, _ in weighed], ignore_index=True) if weighed else pd.DataFrame(),
        "importance_left_out": pd.DataFrame({"reason": [why for _, why in weighed if why]}),
        "skips": trials.by_kind(rows, _first(search)),
        "skip_difference": trials.between_kinds(rows, _first(search)),
        "outcomes": trials.outcomes(rows),
        "failures": rows.loc[
            ~rows["status"].isin(["completed", "open"]), ["trial", *told, "status", "step", "message"]
        ],
        "trials": rows[list(dict.fromkeys(["trial", "status", *listed[1:], "run"]))],
        "space": _space(study),
        "environment": tables.environments(study.runs),
        "settings": tables.in_common(study.runs, ("net", "train", "probe")),
        **dataset.tables_of(study.plan),
    }
    if search.confirm:
        made = report.tables_of(search.confirm)
        by_name |= {f"{CONFIRM}_{name}": table for name, table in made.items()}
        by_name[f"{CONFIRM}_found"] = trials.found_again(rows, _first(search), made["summary"])
    return {name: _named(table) for name, table in by_name.items()}


def _first(search: Search) -> Objective:
    """Return the first objective that is no cost."""
    return next((one for one in search.of if one.name not in COSTS), search.of[0])


def _epochs(search: Search) -> list[str]:
    return [BUDGET] if BUDGET in search.varied else []


def _anytime(search: Search) -> pd.DataFrame:
    found = trials.anytime(search.trials, search.of)
    ends = [name for name in ("best_so_far", "hypervolume") if name in found]
    goals = [one.name for one in search.of]
    return found[[*dict.fromkeys(["trial", "status", *_epochs(search), "seconds", "seconds_so_far", *goals, *ends])]]


def _space(study: Study) -> pd.DataFrame:
    """Return the range of each hyperparameter that the plan names: `hyperparameter`, `range`."""
    found = [
        (name.partition(".")[2], str(words)) for name, words in study.plan.base.items() if name.startswith("space.")
    ]
    return pd.DataFrame(found, columns=["hyperparameter", "range"])


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with names for readers, where none is taken by a hyperparameter."""
    return table.rename(columns={name: word for name, word in NAMES.items() if word not in table})


def figures_of(search: Search, by_name: Mapping[str, pd.DataFrame], style: Style) -> Iterator[Drawn]:
    """Yield the figures of the report that the records have something for."""
    rows, of, confirm = search.trials, search.of, search.confirm
    if confirm:
        made = _confirmed(by_name)
        effects = made["effects"]
        made["effects"] = effects[effects["factor"] == "net"] if "factor" in effects else effects  # of twins alone
        for one in report.figures_of_results(confirm, made, style):
            yield replace(one, name=f"{CONFIRM}_{one.name}")
    anytime = trials.anytime(rows, of)
    ends = anytime["best_so_far" if len(of) == 1 else "hypervolume"]
    if ends.notna().any():
        yield search_figures.anytime(anytime, of, style)
    if len(by_name["importance"]):
        yield search_figures.importance(by_name["importance"], style)
    rivals = trials.rivals(rows, of)
    if len(rivals) > 1 and search.varied:
        yield search_figures.parallel_coordinates(rows, search.varied, of, style)
    compared = trials.at_equal_epochs(rows, _first(search).name)
    if len(rivals) and compared[KIND].nunique() > 1:
        yield search_figures.skips(
            compared, [one for one in of if one.name not in COSTS] or of, _of_kinds(by_name), style
        )
    if len(rivals):
        yield search_figures.cost(rows, of, _of_best(search, by_name), style)


def _confirmed(by_name: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables of the study of fresh seeds by their names in its own report."""
    mark = f"{CONFIRM}_"
    return {name.removeprefix(mark): table for name, table in by_name.items() if name.startswith(mark)}


def _of_kinds(by_name: Mapping[str, pd.DataFrame]) -> str:
    """Return the medians of the two kinds of networks in words."""
    return "; ".join(
        f"{row['network']}: median {text(row['median'])}, best {text(row['best'])} (n={row['n']} of {row['N']})"
        for row in by_name["skips"].to_dict("records")
    ) + "."  # fmt: skip


def _of_best(search: Search, by_name: Mapping[str, pd.DataFrame]) -> str:
    """Return the first of the best trials in words."""
    names = list(dict.fromkeys([*(one.name for one in search.of), *COSTS]))
    row = by_name["best"].iloc[0]
    return f"Trial {row['trial']} has {', '.join(f'{text(row[name])} {name}' for name in names)}."


def write(search: Search, out: Path, style: Style = STYLES["screen"]) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Write the report of a search into `out`: `report.html`, and all its figures and tables as files beside it.

    Returns:
        The path of the page, and the tables by name.
    """
    by_name = tables_of(search)
    with styles.context(["default", dict(style.settings)]):  # whatever the user's own settings are
        drawn = [(one, image_files(one, style)) for one in figures_of(search, by_name, style)]
    images = {one.name: Image(one, files["svg"], style.suffixes) for one, files in drawn}
    plan = search.study.plan
    page = Page(plan.name, plan.question, _about(search), _sections(search, by_name, images))
    write_files(out, PAGE, page, dict(drawn_files(drawn)), by_name)
    return out / PAGE, by_name


def _about(search: Search) -> list[str]:
    base = search.study.plan.base
    names = ("oracle", "space", "objective", "limits", "search_seed")
    said = "; ".join(f"{name.replace('_', ' ')}: {base[name]}" for name in names if base.get(name) not in (None, ""))
    return [*report.progress(search.study), f"A run is a trial. {said[:1].upper()}{said[1:]}."]


def _sections(search: Search, by_name: Mapping[str, pd.DataFrame], images: Mapping[str, Image]) -> list[Section]:
    silent = {*search.study.factors} - {*search.varied}

    def table(name: str, caption: str, note: str = "", *, folded: bool = False) -> Table:
        whole = by_name[name]
        kinds = ("csv", "tex", "md") if len(whole) <= MOST_ROWS else ("csv",)
        return Table(name, caption, whole.drop(columns=silent, errors="ignore"), note, folded, kinds)

    def image(*names: str) -> list[Image]:
        return [images[name] for name in names if name in images]

    goals = " and ".join(one.name for one in search.of)
    none = [] if len(by_name["best"]) else [f"No trial has been completed with a value of {goals}."]
    equal = " Of the trials of the most epochs alone." if _epochs(search) else ""
    both = by_name["skips"].shape[0] > 1
    return [
        Section("Best trials", words=none, tables=[
            table("best", *_best_words(search, goals, by_name["objectives"])),
            table("objectives", "The objectives.",
                  f"Best and worst: of the completed trials. The reference is {MARGIN:g} of their range beyond the "
                  f"worst; a trial adds to the hypervolume if it is beyond it in every objective.{equal}"),
        ]),
        *_confirmation(search, by_name, images),
        Section("Anytime performance", image("anytime"), [
            table("anytime", "After each trial.",
                  "In the order of proposal. Seconds so far: wall time of the runs up to this one, one after another.",
                  folded=True),
        ]),
        Section("Importance of hyperparameters", image("importance"), [
            table("importance", "Importance of the hyperparameters.", _importance_note(by_name["importance"])),
        ], words=by_name["importance_left_out"]["reason"].tolist()),
        Section("Parallel coordinates", image("parallel_coordinates")),
        Section("Skip against plain", image("skips"), [
            table("skips", "Trials with a skip in any block, and plain ones.",
                  f"The {_first(search).name} of n of N recorded trials; failed: diverged, or failed to train, "
                  f"and in no mean. Mean with its 95 % interval of Student's t.{equal}"),
            table("skip_difference", "With a skip minus plain.",
                  "Unpaired: the trials differ in their other hyperparameters too, and an oracle that learns proposes "
                  "more of what has done well. So this is what the search has seen of each, not the effect of the "
                  "skip; twins, of the best trials, are compared where these are confirmed. Difference of the means "
                  "with its 95 % interval by Welch; p: of Welch's t-test and of the Mann-Whitney test, not corrected; "
                  f"above: probability that a trial with a skip has the higher value.{equal}"),
        ] if both else []),
        Section("Cost", image("cost")),
        Section("Outcomes", tables=[
            table("outcomes", "How the trials ended.",
                  f"Open: proposed, and without a record. {RULE} No trial that failed is among the best."),
            table("failures", "The trials that were not completed."),
            table("trials", "Every trial.", "A dash: inactive, or not known.", folded=True),
        ]),
        dataset.section_of(search.study.plan, by_name),
        Section("How it was made", lines=search.study.plan.commands, tables=[
            table("space", "The space that was searched.", folded=len(by_name["space"]) > report.LONG),
            table("environment", "What the runs were made with."),
            table("settings", "What all runs have in common.", folded=True),
        ]),
    ]  # fmt: skip


def _best_words(search: Search, goals: str, objectives: pd.DataFrame) -> tuple[str, str]:
    """Return the caption of the table of the best trials, and how to read it."""
    first = _first(search)
    note = (
        f"The {first.name} is of one run, chosen as the best of many: on average it is "
        f"{'higher' if first.rising else 'lower'} than that of the same network and training with fresh seeds."
    )
    if _epochs(search):
        note += " Of the trials of the most epochs alone."
    if len(search.of) == 1:
        return f"The first {MOST_BEST} trials by {first.name} ({first.direction}).", note
    volumes = trials.anytime(search.trials, search.of)["hypervolume"].dropna()
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


def _confirmation(
    search: Search, by_name: Mapping[str, pd.DataFrame], images: Mapping[str, Image]
) -> list[Section]:  # fmt: skip
    """Return the sections of the best trials with fresh seeds: what was measured, and the verdicts."""
    if search.confirm is None:
        return [Section("Confirmation", words=[search.why_not] if search.why_not else [])]
    made = report.sections_of(search.confirm, _confirmed(by_name), {})
    kept = {
        table.name: replace(table, name=f"{CONFIRM}_{table.name}")
        for section in made
        for table in section.tables
        if table.name in CONFIRMED
    }
    found = Table(
        f"{CONFIRM}_found", "The value by which a trial was chosen, and that of fresh seeds.",
        by_name[f"{CONFIRM}_found"],
        f"Found: the {_first(search).name} of the run of the search. Confirmed: the mean over n of N runs of the same "
        "network and training with fresh seeds, with its 95 % interval of Student's t. Difference: confirmed minus "
        "found. The validation images are those by which it was chosen; the test images are not.",
    )  # fmt: skip
    drawn = [image for name, image in images.items() if name.startswith(f"{CONFIRM}_")]
    words = [search.confirm.plan.question, *report.progress(search.confirm)]
    return [
        Section("Confirmation", drawn, [found, *(kept[name] for name in CONFIRMED if name != "verdicts")], words),
        Section("Verdicts", tables=[kept["verdicts"]]),
    ]
