r"""The parts of a report for a paper: a table for one column, and a `main.tex` with the table and the figures.

siunitx aligns the numbers of a column. Half of the interval is rounded to two significant digits and stands in brackets
behind the value, in units of its last digit: 0.0178(86). The best arm is bold only if a test shows that it is better
than each of the others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.blocks import QUANTITIES, about
from analysis.formats import escaped, shown
from analysis.measures import find, measured
from analysis.pages import paper_text
from analysis.statistics import CONFIDENCE, holm, t_tests
from analysis.study import StudyRecords
from resnet_core.errors import UserError, nearest
from resnet_core.folders import write_file

FOLDER = "paper"
COLUMNS = ("parameters", "macs", "n", "failed")
"""Columns that a table may have in addition to the factors and the measures."""
MEASURES = ("test_error",)
ALPHA = 1 - CONFIDENCE


@dataclass(frozen=True)
class Choice:
    """The choice of the contents of a table for a paper.

    Attributes:
        columns: Names in `COLUMNS`, in addition to the factors and the measures.
        measures: Names of measures.
        arms: Labels of arms. An empty choice means all.
    """

    columns: tuple[str, ...] = ("n",)
    measures: tuple[str, ...] = MEASURES
    arms: tuple[str, ...] = ()

    def check(self, study: StudyRecords) -> None:
        """Check that the chosen columns, measures and arms exist.

        Raises:
            UserError: One of them does not exist.
        """
        labels = list(map(str, study.planned["label"].unique()))
        for name in self.columns:
            if name not in COLUMNS:
                raise UserError(f"--columns must be of {', '.join(COLUMNS)}, but got '{name}'{nearest(name, COLUMNS)}")
        for name in self.measures:
            if find(name) is None:
                raise UserError(f"--measures must be known measures, but got '{name}'")
        for name in self.arms:
            if name not in labels:
                raise UserError(f"--arms must be of {'; '.join(labels)}, but got '{name}'{nearest(name, labels)}")


def write(study: StudyRecords, by_name: Mapping[str, pd.DataFrame], out: Path, choice: Choice) -> Path:
    """Write the parts for a paper into the folder `paper` of a report, and return the path of `main.tex`.

    Args:
        study: The study.
        by_name: The tables of its report.
        out: Folder of the report, which contains the figures as PDF.
        choice: Contents of the table.

    Raises:
        UserError: A chosen column, measure or arm does not exist.
    """
    choice.check(study)
    drawn = sorted((out / "figures").glob("*.pdf"))
    figures = {path.stem: path.with_suffix(".tex").read_text().strip() for path in drawn}
    card = by_name.get("blocks", pd.DataFrame())
    texts = {
        "results.tex": table(study, by_name["summary"], choice),
        "methods.tex": escaped(paper_text.methods(study, by_name)) + "\n",
        "checklist.md": paper_text.checklist(study, by_name),
        "references.bib": paper_text.references(study),
        "main.tex": main(study, figures, ["results", *(["blocks"] if len(card) else [])]),
    } | ({"blocks.tex": block_table(card)} if len(card) else {})
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, content in texts.items():
        write_file(out / FOLDER / name, content, durable=False)
    return out / FOLDER / "main.tex"


def table(study: StudyRecords, summarised: pd.DataFrame, choice: Choice) -> str:
    """Return the table of results as LaTeX."""
    planned = study.planned
    kept = planned[planned["label"].astype(str).isin(choice.arms)] if choice.arms else planned
    arms = kept.drop_duplicates(study.factors)
    factors = list(map(str, shown(planned[study.factors], study.factors)))
    keys = [tuple(row) for row in arms[study.factors].astype(str).to_numpy()]
    cells: dict[str, list[str]] = {name.replace("_", " "): list(map(str, arms[name])) for name in factors}
    kinds = ["l"] * len(cells)
    for name in choice.measures:
        rows = {} if summarised.empty else {
            tuple(map(str, (row[factor] for factor in study.factors))): row
            for row in summarised[summarised["measure"] == name].to_dict("records")
        }  # fmt: skip
        bold = best(study, name, keys)
        texts = [value(rows[key]["mean"], rows[key]["low"], rows[key]["high"]) if key in rows else "" for key in keys]
        cells[name.replace("_", " ")] = [
            rf"\bfseries {text}" if key == bold and text else text or "{--}"
            for key, text in zip(keys, texts, strict=True)
        ]
        kinds.append(f"S[{_format(texts)}]")
    for name in choice.columns:
        cells[_head(name)] = [_count(study, summarised, name, key) for key in keys]
        kinds.append("r")
    measures = " and ".join(name.replace("_", " ") for name in choice.measures)
    caption = (
        f"{study.plan.question} Mean {measures} over the seeds; in brackets, in units of the last digit, half of the "
        "95 % interval of Student's t. Bold: lower or higher than each of the others by paired t-tests, corrected by "
        "Holm's method."
    )
    heads = [f"{{{escaped(name)}}}" for name in cells]
    rows_ = [" & ".join(_cell(text) for text in row) + r" \\" for row in zip(*cells.values(), strict=True)]
    return "\n".join([
        r"\begin{table}", rf"\caption{{{escaped(caption)}}}", r"\label{tab:results}", r"\centering\footnotesize",
        r"\setlength{\tabcolsep}{4pt}", rf"\begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}", r"\toprule",
        " & ".join(heads) + r" \\", r"\midrule", *rows_, r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


def block_table(card: pd.DataFrame) -> str:
    """Return the block card as LaTeX, across both columns."""
    names = [name for name in QUANTITIES if name in card]
    heads = ["arm", "block", "seeds", *names, "parameters", "MACs"]
    rows = [
        [
            row["label"], row["block"], str(row["n"]),
            *(value(row[name], row[f"{name}_low"], row[f"{name}_high"]) or "--" for name in names),
            *("--" if pd.isna(row[name]) else f"{row[name]:,}" for name in ("parameters", "macs")),
        ]
        for row in card.to_dict("records")
    ]  # fmt: skip
    caption = (
        f"The blocks of the trained networks: {about(card)}. Mean over the seeds; in brackets, in units of the last "
        "digit, half of the 95 % interval of Student's t."
    )
    return "\n".join([
        r"\begin{table*}", rf"\caption{{{escaped(caption)}}}", r"\label{tab:blocks}", r"\centering\footnotesize",
        r"\setlength{\tabcolsep}{4pt}", rf"\begin{{tabular}}{{@{{}}ll{'r' * (len(heads) - 2)}@{{}}}}", r"\toprule",
        " & ".join(heads) + r" \\", r"\midrule", *(" & ".join(map(escaped, row)) + r" \\" for row in rows),
        r"\bottomrule", r"\end{tabular}", r"\end{table*}", "",
    ])  # fmt: skip


def _cell(text: str) -> str:
    return text if text.startswith((r"\bfseries", "{")) else escaped(text)


def _head(name: str) -> str:
    return {"n": "seeds", "macs": "MACs"}.get(name, name)


def value(mean: float, low: float, high: float) -> str:
    """Return a mean followed by half of its interval, with two digits, in units of the last digit.

    Without an interval, such as for one seed, the mean has three digits and no brackets. Without a mean, the text is
    empty.
    """
    if not math.isfinite(mean):
        return ""
    half = max(high - mean, mean - low)
    if not (math.isfinite(half) and half > 0):
        return f"{mean:.3g}" if abs(mean) >= 1e-3 or mean == 0 else f"{mean:.2e}"
    digits = max(0, 1 - math.floor(math.log10(half)))
    if digits > 6:
        return f"{mean:.2e}"
    return f"{mean:.{digits}f}({round(half * 10**digits)})"


def _format(texts: Sequence[str]) -> str:
    """Return the siunitx table format for the widest number of a column."""
    numbers = [text.partition("(")[0] for text in texts if text and "e" not in text]
    whole = max((len(number.lstrip("-").partition(".")[0]) for number in numbers), default=1)
    places = max((len(number.partition(".")[2]) for number in numbers), default=0)
    spread = max((len(text.partition("(")[2]) - 1 for text in texts if "(" in text), default=0)
    sign = "-" if any(number.startswith("-") for number in numbers) else ""
    return f"table-format={sign}{whole}.{places}" + (f"({spread})" if spread else "") + ", detect-weight"


def best(study: StudyRecords, name: str, keys: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return the arm that tests show to be better than each of the others, or `None` if there is none."""
    measure = find(name)
    data = measured(name, study.planned, study.frames)
    names = list(map(tuple, data[study.factors].astype(str).to_numpy()))
    labels = pd.Series([keys.index(name) if name in keys else -1 for name in names], index=data.index)
    by_seed = data.assign(arm=labels).pivot_table(index="arm", columns="seed", values="value", dropna=False)
    by_seed = by_seed.drop(index=-1, errors="ignore").dropna(how="all")
    if measure is None or not measure.worse or len(by_seed) < 2:
        return None
    means = by_seed.mean(axis=1) * measure.worse
    first = int(means.to_numpy().argmin())
    others = np.delete(by_seed.to_numpy(float), first, axis=0)
    p = t_tests((others - by_seed.to_numpy(float)[first]) * measure.worse)
    number = int(by_seed.index.to_numpy()[first])
    failed = bool(data["failed"][labels == number].any())
    return keys[number] if not failed and bool((holm(p) < ALPHA).all()) else None


def _count(study: StudyRecords, summarised: pd.DataFrame, name: str, key: tuple[str, ...]) -> str:
    rows = study.planned[[tuple(row) == key for row in study.planned[study.factors].astype(str).to_numpy()]]
    status = study.runs[study.runs["run"].isin(rows["run"])]["status"]
    if name == "n":
        return f"{(status == 'completed').sum()}/{len(rows)}"
    if name == "failed":
        return str(status.isin(["diverged", "failed_to_train"]).sum())
    counts = rows[name].dropna()
    return f"{int(counts.iloc[0]):,}" if len(counts) else ""


def main(study: StudyRecords, figures: Mapping[str, str], tables: Sequence[str]) -> str:
    """Return a document with the tables, the methods and all figures.

    Args:
        study: The study.
        figures: Captions of the figures as LaTeX, by the names of the figures.
        tables: Names of the tables' files.
    """
    drawn = [
        line
        for name, caption in figures.items()
        for line in (
            r"\begin{figure}", r"\centering", rf"\includegraphics[width=\linewidth]{{../figures/{name}.pdf}}",
            rf"\caption{{{caption}}}", r"\end{figure}", r"\clearpage",
        )
    ]  # fmt: skip
    return "\n".join([
        r"\documentclass[10pt,twocolumn]{article}", r"\usepackage[T1]{fontenc}", r"\usepackage[utf8]{inputenc}",
        r"\usepackage{booktabs,graphicx,siunitx}", rf"\title{{{escaped(study.plan.name)}}}", r"\date{}", r"\author{}",
        r"\begin{document}", r"\maketitle", r"\section{Methods}", r"\input{methods}", r"\section{Results}",
        *(rf"\input{{{name}}}" for name in tables), *drawn, r"\nocite{*}", r"\bibliographystyle{plain}",
        r"\bibliography{references}", r"\end{document}", "",
    ])  # fmt: skip
