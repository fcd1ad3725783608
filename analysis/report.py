"""The report of a study: tables and figures, then one HTML page that holds them all."""

import base64
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from analysis import figures, tables
from resnet_core.errors import UserError
from resnet_core.runs.store import Plan, Store

PAGE = "report.html"
SEED = 0


@dataclass(frozen=True)
class Study:
    """What is reported on: the plan, and its records as tables with the label of each arm."""

    plan: Plan
    planned: pd.DataFrame
    runs: pd.DataFrame
    epochs: pd.DataFrame
    probes: pd.DataFrame
    environments: list[dict[str, Any]]

    @property
    def factors(self) -> list[str]:
        return list(self.plan.factors)


def read(folder: Path) -> Study:
    """Read a study's folder.

    Raises:
        UserError: It is not one, holds no run, or a record is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"a report needs the folder of a study, but {folder} does not exist")
    store = Store(folder)
    plan = store.plan()
    if plan is None:
        inside = sorted(path.parent.name for path in folder.glob("*/study.json"))
        hint = f"; did you mean {folder / inside[0]}?" if inside else "; resnet-ablate run makes one"
        raise UserError(f"a report needs the folder of a study, with a study.json, but {folder} has none{hint}")
    frames = store.frames()
    if frames.runs.empty:
        raise UserError(f"a report needs a run that has ended, but {folder} has none yet; run the study first")
    planned = pd.DataFrame([{"run": run["id"], "seed": run["seed"], **run["factors"]} for run in plan.runs])
    order = planned["run"].rename_axis("order").reset_index()
    runs = order.merge(frames.runs, on="run").drop(columns="order")
    runs.insert(1, "label", tables.arm_labels(runs, plan.factors))
    environments = [record.environment for record in store.records()]
    return Study(plan, planned, runs, frames.epochs, frames.probes, environments)


def tables_of(study: Study) -> dict[str, pd.DataFrame]:
    """Return the tables of the report by name."""
    factors, runs = study.factors, study.runs
    results = [name for name in ("train_accuracy", "test_accuracy", "train_loss", "test_loss") if name in runs]
    listed = ["run", *factors, "seed", "status", "step", *results, "seconds", "message"]
    ends = tables.at_init_and_end(runs, study.probes, factors) if len(study.probes) else pd.DataFrame()
    return {
        "accuracy": tables.accuracy(study.planned, runs, factors, np.random.default_rng(SEED)),
        "gradients": tables.gradient_ratios(ends, factors) if len(ends) else pd.DataFrame(),
        "outcomes": tables.outcomes(study.planned, runs, factors),
        "runs": runs[listed],
        "environment": tables.environments(study.environments),
    }


def figures_of(study: Study, accuracy: pd.DataFrame) -> Iterator[figures.Drawn]:
    """Yield the figures of the report."""
    labels = study.runs[[*study.factors, "layers", "label"]].drop_duplicates()
    yield figures.accuracy_by_depth(accuracy.merge(labels, on=[*study.factors, "layers"]), _with_results(study.runs))
    if len(study.probes):
        ends = tables.at_init_and_end(study.runs, study.probes, ["label", "layers"])
        batch_size = ", ".join(map(str, sorted(study.runs["probe.batch_size"].unique())))
        yield figures.gradient_by_depth(tables.gradient_profile(ends, ["label", "layers"]), batch_size)
    if len(study.epochs):
        yield figures.learning_curves(tables.learning_curves(study.runs, study.epochs, ["label", "layers"]))


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
        loader=jinja2.PackageLoader("analysis", "."), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    runs = study.runs
    return environment.get_template("report.html.jinja").render(
        plan=study.plan,
        completed=int((runs["status"] == "completed").sum()),
        planned=len(study.planned),
        tables={name: _cells(table) for name, table in by_name.items()},
        figures=[(one, base64.b64encode(files[f"{one.name}.svg"]).decode()) for one in drawn],
    )


def _cells(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table as text: a mean and its interval in one cell."""
    shown = summary_columns(table)
    return {
        "columns": [str(column).replace("_", " ") for column in shown],
        "numeric": [pd.api.types.is_numeric_dtype(table[column]) for column in shown],
        "rows": [[shown[column](row) for column in shown] for _, row in table.iterrows()],
    }


def summary_columns(table: pd.DataFrame) -> dict[str, Any]:
    """Return, for each column that is shown, the function from a row to its text."""

    def plain(column: str) -> Any:
        return lambda row: _text(row[column])

    def with_interval(column: str) -> Any:
        def text(row: pd.Series) -> str:
            low, high = row[f"{column}_low"], row[f"{column}_high"]
            return _text(row[column]) + ("" if pd.isna(low) else f" [{_text(low)}, {_text(high)}]")

        return text

    intervals = {column for column in table if f"{column}_low" in table}
    hidden = {f"{column}_{end}" for column in intervals for end in ("low", "high")}
    return {
        column: with_interval(column) if column in intervals else plain(column)
        for column in table
        if column not in hidden
    }


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return "–"
        return f"{value:.3f}" if 0.001 <= abs(value) < 1000 else f"{value:.2e}" if value else "0"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)
