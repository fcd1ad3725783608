"""The report of a study: tables and figures, then one HTML page that holds them all."""

import base64
import io
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from analysis import figures, tables
from analysis.study import Study, read
from analysis.verdicts import verdicts

__all__ = ["read", "tables_of", "write"]

PAGE = "report.html"
SEED = 0


def tables_of(study: Study) -> dict[str, pd.DataFrame]:
    """Return the tables of the report by name."""
    factors, runs = study.factors, study.runs
    results = [name for name in tables.MEASURES if name in runs]
    listed = ["run", *factors, "seed", "status", "step", *results, "seconds", "message"]
    ends = tables.at_init_and_end(runs, study.probes, factors) if len(study.probes) else pd.DataFrame()
    return {
        "verdicts": verdicts(study.claims, study.planned, study.frames),
        "accuracy": tables.accuracy(study.planned, runs, factors, np.random.default_rng(SEED)),
        "gradients": tables.gradient_ratios(ends, study.planned, factors) if len(ends) else pd.DataFrame(),
        "outcomes": tables.outcomes(study.planned, runs, factors),
        "runs": runs[listed],
        "environment": tables.environments(runs),
        "settings": tables.in_common(runs, ("net", "train", "probe")),
    }


def figures_of(study: Study, accuracy: pd.DataFrame) -> Iterator[figures.Drawn]:
    """Yield the figures of the report."""
    labels = study.runs[[*study.factors, "layers", "label"]].drop_duplicates()
    yield figures.accuracy_by_depth(accuracy.merge(labels, on=[*study.factors, "layers"]), _with_results(study.runs))
    ends = pd.DataFrame()
    if len(study.probes):
        ends = tables.at_init_and_end(study.runs, study.probes, ["label", "layers"])
    if len(ends):
        batch_size = ", ".join(map(str, sorted(study.runs["probe.batch_size"].unique())))
        yield figures.gradient_by_depth(tables.gradient_profile(ends, ["label", "layers"]), batch_size)
    if len(study.epochs):
        yield figures.learning_curves(tables.learning_curves(study.runs, study.epochs, ["label", "layers", "status"]))


def _with_results(runs: pd.DataFrame) -> pd.DataFrame:
    """Return `runs` with the columns of results, also where no run was completed."""
    return runs.reindex(columns=list(dict.fromkeys([*runs.columns, *tables.MEASURES])))


def write(study: Study, out: Path) -> tuple[Path, pd.DataFrame]:
    """Write a report into `out`: `report.html`, the figures as SVG and PNG, the tables as CSV.

    Returns:
        The path of the page, and the table of accuracy.
    """
    by_name = tables_of(study)
    files = {f"{name}.csv": table.to_csv(index=False).encode() for name, table in by_name.items()}
    drawn = list(figures_of(study, by_name["accuracy"]))
    for one in drawn:
        for suffix in ("svg", "png"):
            files[f"{one.name}.{suffix}"] = _image(one, suffix)
    files[PAGE] = _page(study, by_name, drawn, files).encode()
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        aside = out / f".{name}.{os.getpid()}"
        aside.write_bytes(content)
        aside.replace(out / name)
    return out / PAGE, by_name["accuracy"]


def _image(drawn: figures.Drawn, suffix: str) -> bytes:
    from matplotlib import rc_context

    from analysis.plots import STYLE

    buffer = io.BytesIO()
    with rc_context(STYLE):
        drawn.figure.savefig(buffer, format=suffix, metadata={"Date": None} if suffix == "svg" else None)
    return buffer.getvalue()


def _page(
    study: Study, by_name: Mapping[str, pd.DataFrame], drawn: list[figures.Drawn], files: Mapping[str, bytes]
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    runs = study.runs
    return environment.get_template("report.html.jinja").render(
        plan=study.plan,
        completed=int((runs["status"] == "completed").sum()),
        damaged=study.damaged,
        planned=len(study.planned),
        tables={name: _cells(shown(table, study.factors)) for name, table in by_name.items()},
        figures=[(one, base64.b64encode(files[f"{one.name}.svg"]).decode()) for one in drawn],
    )


def shown(table: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """Return `table` without what says nothing to a reader: factors of one level, and layers where depth says them."""
    here = [factor for factor in factors if factor in table]
    silent = [factor for factor in here if factor not in tables.varied(table, here)]
    if {"depth", "layers"} <= set(table.columns) and (table["depth"] == table["layers"]).all():
        silent = [factor for factor in silent if factor != "depth"] + ["layers"]
    return table.drop(columns=silent)


def text_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` as text, a value and its interval, `{value}_low` to `{value}_high`, in one column."""
    columns = [str(column) for column in table]
    intervals = {column for column in columns if f"{column}_low" in columns}
    hidden = {f"{column}_{end}" for column in intervals for end in ("low", "high")}
    texts = table.map(_text)
    for column in intervals:
        known = table[f"{column}_low"].notna()
        between = " [" + texts[f"{column}_low"] + ", " + texts[f"{column}_high"] + "]"
        texts[column] = texts[column] + between.where(known, "")
    return texts.drop(columns=list(hidden)).rename(columns=lambda column: column.replace("_", " "))


def _text(value: Any) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "–"
        if abs(value) >= 1000:
            return f"{value:,.0f}"
        return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cells(table: pd.DataFrame) -> dict[str, Any]:
    """Return what the page needs of a table: its text, and which columns are numbers."""
    text = text_table(table)
    numeric = {str(column).replace("_", " ") for column in table.select_dtypes("number")}
    return {
        "columns": list(text),
        "numeric": [column in numeric for column in text],
        "rows": text.to_numpy().tolist(),
    }
