"""The sections of a study's report, with one builder for each; `register_section` adds a user's section.

A builder is called with a `Reported` and yields sections with figures and tables. A builder without content yields an
empty section, or none.
"""

from collections.abc import Callable, Iterator

from analysis import formats, tables
from analysis.classes import CONFUSION, RECALL
from analysis.figures import inside_figures, study_figures, training_figures
from analysis.figures.layout import MOST_WORDS, Drawn
from analysis.judging import calibration
from analysis.labels import named_effects
from analysis.measures import measured
from analysis.pages import captions, dataset
from analysis.pages.reading import reading
from analysis.pages.sections import LONG, Builder, Part, Reported
from analysis.statistics import MOST_FLIPPED
from resnet_core.errors import UserError, nearest

HOLM = "p-values are corrected for the number of rows by Holm's method"
PAIRED = (
    "Each row compares a level of a factor with the reference level, seed by seed, with all other factors equal. "
    "Effect size: in standard deviations of the differences. P(higher): probability that a run of the level has the "
    "higher value."
)


def verdicts(report: Reported) -> Iterator[Part]:
    """The verdict on each claim, and published figures."""
    by_name = report.by_name
    yield Part("Verdicts", tables=[
        report.table("verdicts", "The verdict on each claim.",
              captions.SHORT, frame=captions.claims(by_name["verdicts"])),
        report.table("published", "Published results and ours.",
              "Ours: the same statistic over our n runs, or the mean if theirs is not known. Next to it: the mean of n "
              "of N runs with its 95 % interval by Student's t. Failed: the share of our runs whose training failed; "
              "if the published run failed, the share of our runs that are as bad as the source calls a failure."),
    ])  # fmt: skip


def results(report: Reported) -> Iterator[Part]:
    """Accuracy, error and all other measures of each arm."""
    bootstrap = calibration.sentence(report.seeds, "bca")
    yield Part("Results", list(_results_drawn(report)), [
        report.table("accuracy", "Accuracy and loss of each arm at the last step.",
              "Mean over the runs with its 95 % interval by Student's t. Failed: the run diverged or failed to train, "
              "and is not part of the mean. No result: the run was lost for another reason, or has not run yet."),
        report.table("trends", "Change of each measure as the depth doubles.",
              "Least-squares slope over log2 of the number of layers, computed for each seed; the mean over n seeds "
              f"with its 95 % interval by Student's t; {HOLM}.", folded=True),
        report.table("summary", "Every measure of every arm.",
              "Mean with its 95 % interval by Student's t. Middle half: mean without the lowest and the highest "
              "quarter. Bootstrap: BCa interval, or percentile interval where BCa is undefined, over at most 10,000 "
              f"resamples. {bootstrap.replace('a 95 % interval', 'a BCa interval')}",
              folded=True),
    ])  # fmt: skip


def _results_drawn(report: Reported) -> Iterator[Drawn]:
    names = ("train_accuracy", "test_accuracy", "train_error", "test_error")
    data = {name: measured(name, report.study.planned, report.study.frames) for name in names}
    if any(rows["value"].notna().any() for rows in data.values()):
        layers = data["test_error"].groupby("label", observed=True)["layers"].nunique()
        draw = study_figures.by_depth if (layers > 1).any() else study_figures.by_arm
        yield draw(data, means(report), report.style)


def classes(report: Reported) -> Iterator[Part]:
    """Recall by class and confusion matrices, if the probe `scores` was measured."""
    if RECALL not in report.by_name:
        return
    recall, confusion = report.by_name[RECALL], report.by_name[CONFUSION]
    yield Part("Classes", tables=[
        report.table(RECALL, "Recall by class.",
              "Recall: share of the images of the class that are predicted correctly; the mean over n runs, with the "
              "lowest and the highest. Precision: share of the predictions of the class that are correct. F1: harmonic "
              "mean of the two. Computed on the images of the probe `scores`.",
              folded=len(recall) > LONG, frame=recall),
        report.table(CONFUSION, "Confusion matrix.",
              "A row is a class, a column the predicted class: number of images, summed over the runs.",
              folded=len(confusion) > LONG, frame=confusion),
    ])  # fmt: skip


def effects(report: Reported) -> Iterator[Part]:
    """Differences between arms seed by seed, main effects and interactions."""
    by_name = report.by_name
    named = named_effects(by_name["effects"], report.study.plan.words)
    drawn = [study_figures.effects(named, report.style)] if len(named) else []
    yield Part("Effects", drawn, [
        report.table("effects", "Differences between arms, seed by seed.",
              f"{PAIRED} p: by Student's t-test, and by sign flips, which assume no distribution; {HOLM}."
              f"{_least_p(report.seeds)}", folded=len(named) > LONG,
              frame=named.drop(columns=["bootstrap_low", "bootstrap_high", "bootstrap"], errors="ignore")),
        report.table("variance", "Main effects and interactions.",
              "Analysis of variance (type II) of a linear model of the factors, with the seed as a block. Share: share "
              f"of the sums of squares; {HOLM}.", folded=True),
    ])  # fmt: skip


def gradients(report: Reported) -> Iterator[Part]:
    """Gradients by depth and over training."""
    by_name = report.by_name
    yield Part("Gradients", list(_gradients_drawn(report)), [
        report.table("gradients", "Ratio of the gradient near the input to that near the output.",
              "Weights: L2 norm of the gradient of the second convolution over that of the last one. Activations: the "
              "same for the first and the last value between blocks. Geometric mean over n of N runs with its 95 % "
              "interval by Student's t on the logarithms.", folded=len(by_name["gradients"]) > LONG),
    ])  # fmt: skip


def _gradients_drawn(report: Reported) -> Iterator[Drawn]:
    study, style = report.study, report.style
    if study.probes.empty:
        return
    ends = tables.at_init_and_end(study.runs, study.probes, ["label", "layers"])
    known = ends[ends["probe"].isin(list(training_figures.PROBES)) & ends["layers"].notna()]
    if (known["value"] > 0).any():
        batch = ", ".join(map(str, sorted(study.runs["probe.batch_size"].unique())))
        yield training_figures.gradient_by_depth(known, batch, style)
    main = study.probes[study.probes["path"] == "main"]
    for probe in training_figures.PROBES:
        rows = main[main["probe"] == probe].merge(study.runs[["run", "label", "layers"]], on="run")
        if rows.loc[(rows["value"] > 0) & rows["layers"].notna(), "step"].nunique() > 1:
            yield training_figures.gradient_over_training(rows, probe, style)


def inside(report: Reported) -> Iterator[Part]:
    """The values of probes on trained networks."""
    study, by_name = report.study, report.by_name
    card = [
        report.table("blocks", "The blocks of the trained networks.", captions.blocks(by_name["blocks"]),
              folded=len(by_name["blocks"]) > LONG)
    ] if "blocks" in by_name else []  # fmt: skip
    yield Part("Inside", list(inside_figures.figures_of(study.probed, report.style)), card)


def curves(report: Reported) -> Iterator[Part]:
    """Loss and accuracy over training."""
    study = report.study
    if study.epochs.empty:
        return
    epochs = study.epochs.merge(study.runs[["run", "label", "layers", "status"]], on="run")
    if epochs["layers"].notna().any():
        yield Part("Learning curves", [training_figures.learning_curves(epochs, report.style)])


def distributions(report: Reported) -> Iterator[Part]:
    """Distributions of errors over the runs of each arm."""
    study = report.study
    errors = {name: measured(name, study.planned, study.frames) for name in ("test_error", "train_error")}
    errors = {name: rows for name, rows in errors.items() if rows["value"].notna().any()}
    if errors:
        yield Part("Distributions", [study_figures.distributions(errors, report.style)])


def cost(report: Reported) -> Iterator[Part]:
    """Accuracy against parameters and multiply-accumulates."""
    accuracy = measured("test_accuracy", report.study.planned, report.study.frames)
    if accuracy["value"].notna().any() and accuracy["macs"].notna().any():
        yield Part("Cost", [study_figures.accuracy_by_cost(accuracy, "test_accuracy", means(report), report.style)])


def outcomes(report: Reported) -> Iterator[Part]:
    """The runs of each arm by status, and the runs that were not completed."""
    yield Part("Outcomes", tables=[
        report.table("outcomes", "Outcomes of the runs of each arm.",
              captions.OUTCOMES),
        report.table("failures", "Runs that were not completed."),
        report.table("runs", "All runs.", folded=True),
    ])  # fmt: skip


def learning_rates(report: Reported) -> Iterator[Part]:
    """The trials by which learning rates were chosen."""
    by_name, share = report.by_name, report.study.plan.trial_share
    if "tuning" not in by_name:
        return
    shorter = f"A trial has {share:.3g} of the length of a run, with the whole schedule. " if share != 1 else ""
    yield Part("Learning rates", tables=[
        report.table("tuning", "Learning rates that were tried for each arm.",
              f"{shorter}Means over the trials that did not fail, on validation images; the test images are not used. "
              "Among the rates with the fewest failed trials and an accuracy at most one standard error below the "
              "highest, the rate with the lowest loss is chosen.", folded=len(by_name["tuning"]) > LONG),
        report.table("tuning_by_trials", "Expected validation accuracy of the best trial, by the number of trials.",
              "Expectation over random draws from the trials of the arm (Dodge et al. 2019); a failed trial counts as "
              "0.", folded=True),
    ])  # fmt: skip


def data(report: Reported) -> Iterator[Part]:
    """The classes of the data set, and the files that were skipped."""
    yield dataset.section_of(report.study.plan, report.by_name)


def provenance(report: Reported) -> Iterator[Part]:
    """Commands, versions and settings."""
    yield Part("How it was made", lines=report.study.plan.commands, tables=[
        report.table("environment", "Versions and hardware of the runs."),
        report.table("settings", "Settings that all runs have in common.", folded=True),
        report.table("calibration", "Simulated error rates of verdicts and intervals.",
              captions.CALIBRATION, folded=True),
    ])  # fmt: skip


def _least_p(seeds: int) -> str:
    if not 0 < seeds <= MOST_FLIPPED:
        return ""
    return f" With {seeds} seeds no p-value by sign flips is below {formats.text(2.0 ** (1 - seeds))}."


def means(report: Reported) -> str:
    """Return a text with the means of accuracy."""
    accuracy, factors = report.by_name["accuracy"], report.study.factors
    names = tables.varied(accuracy, factors) or list(factors)
    arms = [
        f"{' '.join(f'{name}={row[name]}' for name in names)}: train {formats.text(row['train_accuracy'])}, "
        f"test {formats.text(row['test_accuracy'])} (n={row['n']} of {row['N']})"
        for row in accuracy.head(MOST_WORDS).to_dict("records")
    ]
    more = len(accuracy) - len(arms)
    return "; ".join(arms) + (f"; the table has {more} more arms" if more else "")


SECTIONS: dict[str, Builder[Reported]] = {
    build.__name__: build
    for build in (
        verdicts, results, classes, effects, gradients, inside, curves, distributions, cost, outcomes, learning_rates,
        reading, data, provenance,
    )
}  # fmt: skip
"""The builders by name, in the order of the page."""


def register_section(*, before: str = "provenance") -> Callable[[Builder[Reported]], Builder[Reported]]:
    """Add the decorated function to the sections of every study's report.

    If the function is registered again under its name, as in a notebook, it replaces the previous one.

    Args:
        before: Name of the section that follows it; `resnet-report list` names them.

    Raises:
        UserError: No section has the name `before`, or a section of this project has the function's name.
    """

    def register(build: Builder[Reported]) -> Builder[Reported]:
        name = build.__name__
        if before not in SECTIONS:
            raise UserError(f"`before` must name a section, but got '{before}'{nearest(before, SECTIONS)}")
        if name in SECTIONS and SECTIONS[name].__module__ == __name__:
            raise UserError(f"a section's name must be new, but there is a section '{name}' already; choose another")
        others = {known: other for known, other in SECTIONS.items() if known != name}
        place = list(others).index(before)
        ordered = [*list(others.items())[:place], (name, build), *list(others.items())[place:]]
        SECTIONS.clear()
        SECTIONS.update(ordered)
        return build

    return register
