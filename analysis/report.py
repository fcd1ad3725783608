"""The report of a study: which tables and figures there are, and where they go."""

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import style as styles
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG

from analysis import calibration, captions, comparisons, dataset, figures, formats, tables
from analysis.figures import STYLES, Drawn, Style
from analysis.measures import MEASURES, measured
from analysis.page import MOST_ROWS, Image, Page, Section, Table, numeric_columns
from analysis.statistics import MOST_FLIPPED
from analysis.study import Study, read
from analysis.tuning import expected_table, rates_table
from analysis.verdicts import verdicts
from resnet_core.folders import sweep, write_file

__all__ = ["read", "tables_of", "write"]

PAGE = "report.html"
SEED = 0
MOST_MEASURES = 4
LONG = 24
"""A table of details with more rows is shut until it is asked for."""
COMPARED = ("test_error", "train_error", "val_error", "test_loss", "gradient_decades_at_init")
"""What arms are compared by, after what is claimed of them."""


def tables_of(study: Study) -> dict[str, pd.DataFrame]:
    """Return the tables of the report by name, each a column a name and every digit; without rows if it has none."""
    planned, frames, factors, runs = study.planned, study.frames, study.factors, study.runs
    rng = np.random.default_rng(SEED)
    values = tables.values(planned, frames)
    compared = compared_by(study, values)
    summarised = tables.summaries(values, factors, rng)
    results = [name for name in tables.RESULTS if name in runs]
    listed = ["run", *factors, "seed", "status", "step", *results, "seconds", "message"]
    everywhere = measured("train_accuracy", planned, frames)
    tuning = study.plan.tuning
    tuned = {"tuning": rates_table(tuning), "tuning_by_trials": expected_table(tuning)} if tuning else {}
    return tuned | {
        "verdicts": verdicts(study.claims, planned, frames, study.looks),
        "published": tables.published(planned, frames, study.plan.published),
        "accuracy": tables.accuracy(everywhere, factors, summarised),
        "effects": comparisons.together(partial(comparisons.effects, factors=factors, rng=rng), compared),
        "variance": comparisons.together(partial(comparisons.main_effects, factors=factors), compared),
        "trends": comparisons.together(partial(comparisons.trends, by="label"), compared),
        "gradients": tables.gradients(summarised, factors),
        "summary": summarised,
        "outcomes": tables.outcomes(planned, runs, factors),
        "failures": tables.failures(runs, factors),
        "runs": runs[listed],
        "environment": tables.environments(runs),
        "settings": tables.in_common(runs, ("net", "train", "probe")),
        "calibration": calibration.quoted(),
        **dataset.tables_of(study.plan),
    }


def compared_by(study: Study, values: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the measures by which arms are compared: those that are claimed of, then the usual ones."""
    names = dict.fromkeys([*(claim.measure for claim in study.claims), *COMPARED])
    return {name: values[name] for name in [name for name in names if name in values][:MOST_MEASURES]}


def figures_of(study: Study, by_name: Mapping[str, pd.DataFrame], style: Style) -> Iterator[Drawn]:
    """Yield the figures of the report that the records have something for."""
    yield from figures_of_results(study, by_name, style)
    yield from _of_probes(study, style)
    if len(study.epochs):
        about = study.runs[["run", "label", "layers", "status"]]
        curves = study.epochs.merge(about, on="run")
        if curves["layers"].notna().any():
            yield figures.learning_curves(curves, style)
    errors = {name: measured(name, study.planned, study.frames) for name in ("test_error", "train_error")}
    errors = {name: rows for name, rows in errors.items() if rows["value"].notna().any()}
    if errors:
        yield figures.distributions(errors, style)
    accuracy = measured("test_accuracy", study.planned, study.frames)
    if accuracy["value"].notna().any() and accuracy["macs"].notna().any():
        yield figures.cost(accuracy, "test_accuracy", _means(by_name["accuracy"], study.factors), style)


def figures_of_results(study: Study, by_name: Mapping[str, pd.DataFrame], style: Style) -> Iterator[Drawn]:
    """Yield the figures of effects and of accuracy or error."""
    planned, frames = study.planned, study.frames
    sure = calibration.sentence(_seeds(study))
    said = _means(by_name["accuracy"], study.factors)
    if len(by_name["effects"]):
        yield figures.effects(by_name["effects"], style, sure)
    results = ("train_accuracy", "test_accuracy", "train_error", "test_error")
    data = {name: measured(name, planned, frames) for name in results}
    if any(rows["value"].notna().any() for rows in data.values()):
        layers = data["test_error"].groupby("label", observed=True)["layers"].nunique()
        draw = figures.by_depth if (layers > 1).any() else figures.by_arm
        yield draw(data, said, style, sure)


def _of_probes(study: Study, style: Style) -> Iterator[Drawn]:
    if study.probes.empty:
        return
    ends = tables.at_init_and_end(study.runs, study.probes, ["label", "layers"])
    known = ends[ends["probe"].isin(list(figures.PROBES)) & ends["layers"].notna()]
    if (known["value"] > 0).any():
        batch = ", ".join(map(str, sorted(study.runs["probe.batch_size"].unique())))
        yield figures.gradient_by_depth(known, batch, style)
    main = study.probes[study.probes["path"] == "main"]
    for probe in figures.PROBES:
        rows = main[main["probe"] == probe].merge(study.runs[["run", "label", "layers"]], on="run")
        if rows.loc[(rows["value"] > 0) & rows["layers"].notna(), "step"].nunique() > 1:
            yield figures.gradient_over_training(rows, probe, style)


def _seeds(study: Study) -> int:
    """Return the least number of completed runs of an arm that has two or more; 0 if none has."""
    completed = study.runs[study.runs["status"] == "completed"].groupby(study.factors, observed=True).size()
    return int(completed[completed > 1].min()) if (completed > 1).any() else 0


def _means(accuracy: pd.DataFrame, factors: Sequence[str]) -> str:
    """Return the means of accuracy in words."""
    names = tables.varied(accuracy, factors) or list(factors)
    arms = [
        f"{' '.join(f'{name}={row[name]}' for name in names)}: train {formats.text(row['train_accuracy'])}, "
        f"test {formats.text(row['test_accuracy'])} (n={row['n']} of {row['N']})"
        for row in accuracy.head(figures.MOST_WORDS).to_dict("records")
    ]
    more = len(accuracy) - len(arms)
    return "; ".join(arms) + (f"; and {more} arms more in the table" if more else "")


def write(study: Study, out: Path, style: Style = STYLES["screen"]) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Write a report into `out`: `report.html`, and all its figures and tables as files beside it.

    Returns:
        The path of the page, and the tables by name.
    """
    by_name = tables_of(study)
    with styles.context(["default", dict(style.settings)]):  # whatever the user's own settings are
        drawn = [(one, image_files(one, style)) for one in figures_of(study, by_name, style)]
    images = {one.name: Image(one, files["svg"], style.suffixes) for one, files in drawn}
    page = Page(study.plan.name, study.plan.question, progress(study), sections_of(study, by_name, images))
    write_files(out, PAGE, page, dict(drawn_files(drawn)), by_name)
    return out / PAGE, by_name


def write_files(
    out: Path, name: str, page: Page, images: Mapping[str, bytes], by_name: Mapping[str, pd.DataFrame]
) -> None:
    """Write a page, its figures and its tables, each aside and then into its place."""
    files: dict[str, bytes | str] = dict(images)
    for table in (table for section in page.sections for table in section.tables):
        files.update(_table_files(table, by_name[table.name]))
    files[name] = page.render()
    sweep(out, "**/")
    for place, content in files.items():
        path = out / place
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content, durable=False)


def drawn_files(drawn: Sequence[tuple[Drawn, Mapping[str, bytes]]]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of figures: path below the report, and content."""
    for one, files in drawn:
        for suffix, content in files.items():
            yield f"figures/{one.name}.{suffix}", content


def image_files(drawn: Drawn, style: Style) -> dict[str, bytes]:
    """Return a figure as the kinds of files of a style, by suffix; the same figure gives the same bytes."""
    figure = drawn.figure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out, once for all kinds
    files = {}
    for suffix in style.suffixes:
        buffer = io.BytesIO()  # by the canvas, since `savefig` draws everything once more before it does
        match suffix:
            case "svg":
                FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
            case "pdf":
                FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None})
            case "png":
                figure.dpi = style.settings["savefig.dpi"]
                FigureCanvasAgg(figure).print_png(buffer)
        files[suffix] = buffer.getvalue()
    return files


def _table_files(table: Table, whole: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield the files of a table: all of it as CSV; what is shown of it as LaTeX and Markdown, if that is not long."""
    yield f"tables/{table.name}.csv", formats.csv(whole)
    if "tex" not in table.suffixes:
        return
    texts, numeric = formats.text_table(table.frame), numeric_columns(table.frame)
    yield f"tables/{table.name}.tex", formats.latex(texts, numeric, table.caption, table.name)
    yield f"tables/{table.name}.md", formats.markdown(texts, numeric)


def progress(study: Study) -> list[str]:
    """Say how many of the runs were completed, and what is missing."""
    planned, status = len(study.planned), study.runs["status"]
    completed, missing = int((status == "completed").sum()), planned - len(study.runs)
    said = f"{study.plan.source}. {completed} of {planned} runs completed."
    counts = status[status != "completed"].value_counts().sort_index()
    said += "".join(f" {count} {str(name).replace('_', ' ')}." for name, count in counts.items())
    if missing:
        said += f" {missing} have no record yet, so this report is of a part of the study."
    damaged = [f"{one.path.name} is no whole record, and is left out: {one.reason}" for one in study.damaged]
    return [said, *damaged]


def sections_of(study: Study, by_name: Mapping[str, pd.DataFrame], images: Mapping[str, Image]) -> list[Section]:
    """Return the sections of the report, with the images that there are."""

    def table(
        name: str, caption: str, note: str = "", *, folded: bool = False, frame: pd.DataFrame | None = None
    ) -> Table:
        whole = by_name[name]
        seen = formats.shown(whole, study.factors) if frame is None else frame
        kinds = ("csv", "tex", "md") if len(whole) <= MOST_ROWS else ("csv",)
        return Table(name, caption, seen, note, folded, kinds)

    def image(*names: str) -> list[Image]:
        return [images[name] for name in names if name in images]

    seeds = _seeds(study)
    bootstrap = calibration.sentence(seeds, "bca")
    holm = "p-values are corrected for the number of rows by Holm's method"
    return [
        Section("Verdicts", tables=[
            table("verdicts", "What the records say of each claim.",
                  f"{captions.VERDICTS} {calibration.of_verdicts(seeds)}",
                  frame=captions.claims(by_name["verdicts"])),
            table("published", "Published figures beside ours.",
                  "Ours: the statistic that theirs is, over our n runs, or the mean if that is not known; beside it "
                  "the mean of n of N runs, with its 95 % interval of Student's t. Failed: the share of "
                  "our runs whose training failed or, beside one that failed there, which are above what the source "
                  "calls so."),
        ]),
        Section("Results", image("accuracy_by_depth", "error_by_arm"), [
            table("accuracy", "Accuracy and loss of each arm, at the last step.",
                  "Mean over the runs, with its 95 % interval of Student's t. n of N planned runs trained. "
                  "Failed: diverged, or failed to train, and in no mean. Lost: without a result for another reason, or "
                  "not yet run."),
            table("trends", "Change as depth doubles.",
                  "Least-squares slope over log2 of the layers, seed by seed: the mean of n seeds, with its 95 % "
                  f"interval of Student's t; {holm}.", folded=True),
            table("summary", "Every measure of every arm.",
                  "Mean with its 95 % interval of Student's t; iqm: mean of the middle half; bootstrap: BCa, or "
                  f"percentile where that is undefined, over at most 10,000 resamples. Of BCa: {bootstrap}",
                  folded=True),
        ]),
        Section("Effects", image("effects"), [
            table("effects", "Differences between arms, seed by seed.",
                  "Level minus reference, all other factors being equal; d: in standard deviations of the differences; "
                  "above: probability that a run of the level has the higher value (of improvement, where more "
                  f"is the aim); p: of Student's t-test, and of sign flips, which assume no distribution; {holm}."
                  f"{_least_p(seeds)}", folded=len(by_name["effects"]) > LONG,
                  frame=by_name["effects"].drop(columns=["bootstrap_low", "bootstrap_high", "bootstrap"],
                                                errors="ignore")),
            table("variance", "Main effects and interactions.",
                  "Analysis of variance (type II) of a linear model of the factors, with the seed as a block; share: "
                  f"of the sums of squares; {holm}.", folded=True),
        ]),
        Section("Gradients", image("gradient_by_depth", "gradient_over_training_weights",
                                   "gradient_over_training_activations"), [
            table("gradients", "Gradient near the input over that near the output.",
                  f"Weights: {MEASURES['gradient_decades_at_init'].about.partition(' of the ')[2].partition(',')[0]}; "
                  "activations: first value between blocks over last. Geometric mean over n of N runs, with its 95 % "
                  "interval of Student's t over the logarithms.", folded=len(by_name["gradients"]) > LONG),
        ]),
        Section("Learning curves", image("learning_curves")),
        Section("Distributions", image("distributions")),
        Section("Cost", image("cost")),
        Section("Outcomes", tables=[
            table("outcomes", "How the runs of each arm ended.",
                  captions.OUTCOMES),
            table("failures", "The runs that were not completed."),
            table("runs", "Every run.", folded=True),
        ]),
        Section("Learning rates", tables=[
            table("tuning", "What each arm's learning rate was chosen from.",
                  "Means over the trials that did not fail, by validation images; the test images are not looked at. "
                  "Of the rates of which the fewest trials failed, and whose accuracy is at most one standard error "
                  "below the highest, the one with the lowest loss is chosen.", folded=len(by_name["tuning"]) > LONG),
            table("tuning_by_trials", "Expected validation accuracy of the best of so many trials.",
                  "Of trials drawn at random from those of the arm (Dodge et al. 2019); one that failed has 0.",
                  folded=True),
        ] if "tuning" in by_name else []),
        dataset.section_of(study.plan, by_name),
        Section("How it was made", lines=study.plan.commands, tables=[
            table("environment", "What the runs were made with."),
            table("settings", "What all runs have in common.", folded=True),
            table("calibration", "How far verdicts and intervals of few seeds can be trusted.",
                  captions.CALIBRATION, folded=True),
        ]),
    ]  # fmt: skip


def _least_p(seeds: int) -> str:
    if not 0 < seeds <= MOST_FLIPPED:
        return ""
    return f" Of {seeds} seeds, no p-value of sign flips is below {formats.text(2.0 ** (1 - seeds))}."
