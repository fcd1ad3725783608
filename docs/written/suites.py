"""The pages of the suites: question, design, claims, findings and published numbers, from the code and the records."""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd

from ablations.study import Published, Scale, Study
from ablations.suites import suites
from ablations.verdicts import published
from analysis.formats import markdown, marked, text
from analysis.judging.findings import findings

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
NO_FINDINGS = "There are no committed results of this study. `resnet-ablate run {name}` makes them."
HEADER = re.compile(r"^(Question|Source|Command)  ?")


def pages() -> dict[str, str]:
    """Return the text of every page by its path: one a suite, their index, and the findings of all."""
    recorded = findings(RESULTS / "reference", published(), seen_from=RESULTS)
    by_study = sections_of(recorded)
    known = suites()
    pages = {f"suites/{name}.md": suite_page(study, by_study.get(name, {})) for name, study in known.items()}
    return {**pages, "suites/index.md": index(known), "findings.md": linked(recorded)}


def sections_of(recorded: str) -> dict[str, dict[str, str]]:
    """Return the section of each study and scale, by study and scale, of the findings."""
    sections: dict[str, dict[str, str]] = {}
    for section in recorded.split("\n## ")[1:]:
        heading, _, body = section.partition("\n")
        name, _, scale = heading.partition(", ")
        sections.setdefault(name, {})[scale] = body.strip()
    return sections


def linked(recorded: str) -> str:
    """Return the findings with links to what is in the site: reports that are, and the pages of the suites."""
    lines = []
    for line in recorded.splitlines():
        report = re.search(r"\[[^]]+\]\(reference/(.+)/report/(report\.html|tables)\) \|$", line)
        if report:
            name = Path(report[1]).name
            scale = "laptop" if report[1].startswith("laptop/") else "smoke"
            target = f"[page](suites/{name}.md)"
            if report[2] == "report.html":
                target += f', <a href="../reports/{name}-{scale}/report.html">report</a>'
            line = f"{line[: report.start()]}{target} |"
        lines.append(line)
    command = "`resnet-ablate findings results/reference` prints this page, from the committed records.\n"
    return "\n".join(lines).replace("# Findings\n", f"# Findings\n\n{command}", 1)


def index(known: dict[str, Study]) -> str:
    """Return the page that lists the suites."""
    rows = [
        {"suite": f"[{name}]({name}.md)", "question": study.question, "source": study.source}
        for name, study in known.items()
    ]
    about = (
        "A suite is a study that comes with the package: a question from the literature, or ours, the networks that "
        "answer it, and claims. `resnet-ablate run NAME` runs it. Each has three scales: `smoke` takes minutes on two "
        "cores, with embedded data; `laptop` takes from minutes to a few hours, with CIFAR-10; `paper` has the "
        "settings of the paper and needs a GPU. `resnet-ablate list` says how long each takes on your machine. Each "
        "page has the question, the design, the claims, what the committed records say of them, and the numbers that "
        "others have published."
    )
    contents = "\n".join(["```{toctree}", ":hidden:", "", *known, "```"])
    lines = ["| suite | question | source |", "| --- | --- | --- |"]
    lines += [f"| {row['suite']} | {marked(row['question'])} | {marked(row['source'])} |" for row in rows]
    return "\n".join(["# The suites", "", about, "", *lines, "", contents])


def suite_page(study: Study, recorded: dict[str, str]) -> str:
    """Return the page of a suite.

    Args:
        study: The suite.
        recorded: What the committed records say of it, by scale.
    """
    module = sys.modules[study.net.__module__]
    command = f"resnet-ablate run {study.name} --scale {next(iter(study.scales))}"
    lines = [f"# {study.name}", "", f"**{marked(study.question)}**", "", f"Source: {marked(study.source)}", ""]
    lines += ["```", command, "```", "", described(module), "", "## Design", "", designs(study), ""]
    lines += ["## Claims", "", *claims(study), "## Findings", ""]
    for scale, body in recorded.items():
        lines += [f"### At {scale} scale", "", without_published(body), "", *accuracy(study.name, scale)]
    if not recorded:
        lines += [NO_FINDINGS.format(name=study.name), ""]
    lines += ["## Published numbers", "", published_numbers(study), "", "## Source code", ""]
    file = Path(inspect.getfile(module)).relative_to(ROOT)
    return "\n".join([*lines, f"```{{literalinclude}} ../../../{file}", ":language: python", "```"])


def described(module: ModuleType) -> str:
    """Return the docstring of a suite's module, without the lines that the page has elsewhere."""
    blocks = (inspect.getdoc(module) or "").split("\n\n")
    return "\n\n".join(block for block in blocks[1:] if not HEADER.match(block))


def designs(study: Study) -> str:
    """Return a table with a column for each scale: its arms, seeds and training."""
    table = pd.DataFrame({name: scale_row(scale) for name, scale in study.scales.items()})
    table.insert(0, "", table.index)
    return markdown(table, [False] * len(table.columns))


def scale_row(scale: Scale) -> dict[str, str]:
    """Return what one scale is."""
    levels = "; ".join(f"{factor}: {', '.join(map(str, own))}" for factor, own in scale.design.levels.items())
    rates = ", ".join(f"{rate:g}" for rate in scale.learning_rates)
    given = scale.train.model_dump(mode="json", exclude_defaults=True)
    training = ", ".join(f"{field}={value}" for field, value in given.items())
    return {
        "arms": str(len(scale.design.arms())), "levels": levels, "seeds": str(scale.seeds),
        "training": training, "learning rates": f"the best of {rates}" if rates else scale.untuned or "as given",
    }  # fmt: skip


def claims(study: Study) -> Iterator[str]:
    """Yield the lines of the claims: in words, as an inequality, and at which scales."""
    scales: dict[tuple[str, str], list[str]] = {}
    for name, scale in study.scales.items():
        for words, claim in scale.claims.items():
            scales.setdefault((words, str(claim)), []).append(name)
    for (words, inequality), names in scales.items():
        where = "" if len(names) == len(study.scales) else f" (at {' and '.join(names)} scale)"
        yield from (f"- {marked(words)}{where}", f"  `{inequality}`", "")
    if not scales:
        yield from ("The study has no claims.", "")


def without_published(body: str) -> str:
    """Return a section of the findings without the published figures, which the page has in a table."""
    return body.partition("\n\nPublished, at the scale of the paper:")[0]


def accuracy(name: str, scale: str) -> Iterator[str]:
    """Yield the committed table of the accuracy of every arm."""
    folder = RESULTS / "reference" / ("laptop" if scale == "laptop" else "") / name / "report" / "tables"
    yield from ("Accuracy and loss of every arm: mean and 95 % interval over the n of N runs that trained.", "")
    yield (folder / "accuracy.md").read_text(encoding="utf-8")


def published_numbers(study: Study) -> str:
    """Return a table of the figures that others have published, at the scale of the paper."""
    figures = [figure for scale in study.scales.values() for figure in scale.published]
    if not figures:
        return "The source gives no numbers for these arms."
    table = pd.DataFrame([published_row(figure) for figure in figures])
    return markdown(table, [False, False, True, True, False, False])


def published_row(figure: Published) -> dict[str, str]:
    """Return a published figure as cells."""
    value = "failed to train" if figure.failed else text(figure.value)
    return {
        "measure": figure.measure,
        "arm": ", ".join(f"{name}={level}" for name, level in figure.arm.items()),
        "value": value,
        "spread": "" if figure.spread is None else text(figure.spread),
        "of": " of ".join(filter(None, (figure.statistic, f"{figure.runs} runs" if figure.runs else ""))),
        "source": figure.source,
    }
