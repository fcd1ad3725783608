"""Figures of the section *Inside*: the values of probes on trained networks."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis.figures import scales
from analysis.figures.drawing import literal
from analysis.figures.inside_lines import LINES, LineFigure, lines, over_training
from analysis.figures.inside_words import EVAL, PREFIX, arms_of, option, range_text, rows_of, sample, tips
from analysis.figures.layout import MOST_ARMS, Drawn, Style, legend_below, panels
from analysis.figures.marks import mark
from analysis.of_probes import usual


def figures_of(probed: pd.DataFrame | None, style: Style) -> Iterator[Drawn]:
    """Yield one figure for each probe that has rows.

    Args:
        probed: Rows of probes with `label` and `seed`, as `analysis.study.read` returns them.
        style: Layout of the figures.
    """
    if probed is None or probed.empty:
        return
    tables = {str(name): rows for name, rows in probed.groupby("probe", sort=True)}
    for probe in (*DRAWS, *LINES, *(name for name in tables if name not in DRAWS and name not in LINES)):
        if probe not in tables:
            continue
        rows = usual(tables[probe]).dropna(axis=1, how="all")
        if probe in WITHOUT:
            continue
        if probe in DRAWS:
            yield from DRAWS[probe](rows, style)
        else:
            yield from lines(rows, LINES.get(probe, LineFigure(probe)), style)
        yield from over_training(tables[probe], style)


TAKEN = {
    "lesion": "without its branch", "reset": "back at its initial weights", "randomise": "at weights drawn anew",
}  # fmt: skip
"""The change to a block in words, by the name of the probe."""


def lesions(rows: pd.DataFrame, style: Style) -> Iterator[Drawn]:
    """Draw the error with each block removed or reset as bars, with a point for every seed."""
    probe = str(rows["probe"].iloc[0])
    if "unit" in rows:
        rows = rows[rows["unit"] == "block"]
    if rows.empty:
        return
    change = TAKEN[probe]
    labels, note = arms_of(rows)
    figure, axes = panels(1, len(labels), style, sharey=True)
    sentences = []
    for ax, label in zip(axes[0], labels, strict=True):
        of_arm = rows_of(rows, label)
        means = of_arm.groupby(["index", "block"], sort=True)["value"].mean().droplevel("index")
        places = {block: place for place, block in enumerate(means.index)}
        bars = ax.bar(range(len(means)), means, color="C0", alpha=0.5, label="mean over the seeds")
        for bar, block, value in zip(bars, means.index, means, strict=True):
            mark(bar, label, tips(label, [None], [block], "error", [value]))
        points = ax.scatter(
            of_arm["block"].map(places), of_arm["value"], s=12, color="C3", zorder=3, clip_on=False, label="one seed"
        )
        mark(points, label, tips(label, of_arm["seed"], of_arm["block"], "error", of_arm["value"]))
        ax.axhline(of_arm.groupby("run")["intact"].first().mean(), color="k", lw=0.9, ls="--", label="whole network")
        step = -(-len(means) // 14)
        ax.set_xticks(range(0, len(means), step), [_short(name) for name in means.index[::step]], rotation=90)
        mark(ax.set_title(literal(label)), label)
        ax.set_ylim(0, 1)
        ax.set_xlim(-0.6, max(len(means), 4) - 0.4)
        ax.grid(axis="x", visible=False)
        sentences.append(f"{label}: {range_text(means)}")
    axes[0][0].set_ylabel("error")
    legend_below(figure, axes[0][0], arms=False)
    yield Drawn(
        f"{PREFIX}{probe}", f"Error with one block {change}", figure,
        f"Bars of the error with one block {change}: a panel for each arm, a bar for each block. "
        f"{'; '.join(sentences)}.",
        f"Error of the network with one block {change}; the other blocks are as trained. Measured on {sample(rows)}; "
        f"normalisation by moving statistics, {EVAL}. A bar is the mean over the seeds, a point is one seed, and the "
        f"dashed line is the whole network.{note}",
    )  # fmt: skip


def _short(block: str) -> str:
    """Return `stage1_block2` as `1.2`, and any other name shortened."""
    return literal(block.replace("stage", "").replace("_block", ".")[:18])


def similarity(rows: pd.DataFrame, style: Style) -> Iterator[Drawn]:
    """Draw the CKA of all pairs of places as maps, and mark the pairs within the null distribution."""
    labels, note = arms_of(rows)
    figure, axes = panels(1, len(labels), style, height=style.row + 0.6)
    sentences = []
    for ax, label in zip(axes[0], labels, strict=True):
        of_arm = rows_of(rows, label)
        grid, null = (of_arm.pivot_table("value", "index", "other_index", "mean"),
                      of_arm.pivot_table("null_high", "index", "other_index", "mean"))  # fmt: skip
        ax.imshow(grid, vmin=0, vmax=1, cmap="viridis", origin="lower", interpolation="nearest")
        within = np.argwhere(grid.to_numpy() <= null.to_numpy())
        (crosses,) = ax.plot(within[:, 1], within[:, 0], "x", color="w", ms=4, ls="none")
        mark(crosses, label, [f"{label}, places {j} and {i}: CKA {grid.iloc[i, j]:.3g}" for i, j in within])
        mark(ax.set_title(literal(label)), label)
        ax.set_xlabel("place, from the input on")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(visible=False)
        apart = grid.to_numpy()[~np.eye(*grid.shape, dtype=bool)]
        sentences.append(f"{label}: off the diagonal from {np.nanmin(apart):.2f} to {np.nanmax(apart):.2f}, null up to "
                    f"{np.nanmax(null):.2f}")  # fmt: skip
    axes[0][0].set_ylabel("place, from the input on")
    figure.colorbar(axes[0][0].images[0], ax=axes[0], label="CKA")
    yield Drawn(
        "inside_similarity", "How alike places are", figure,
        f"Maps of CKA for all pairs of places, a panel for each arm. {'; '.join(sentences)}.",
        f"Debiased linear CKA of the values between blocks, the mean over the seeds. Measured on {sample(rows)}, in "
        f"minibatches of {option(rows, 'batch')}; normalisation by moving statistics, {EVAL}. A white cross marks a "
        "pair that is no more alike than 97.5 % of pairs whose images are permuted." + note,
    )  # fmt: skip


def landscape(rows: pd.DataFrame, style: Style) -> Iterator[Drawn]:
    """Draw the loss along one direction as lines with all seeds, or along two directions as contours."""
    labels, note = arms_of(rows)
    two = "y" in rows and rows["y"].notna().any()
    figure, axes = panels(1, len(labels), style, sharey=not two)
    known = np.log10(np.maximum(rows["value"][np.isfinite(rows["value"])], 1e-12))
    lowest = float(known.min()) if len(known) else 0.0
    levels = np.linspace(lowest, max(float(known.max()) if len(known) else 0.0, lowest + 1e-3), 14)
    sentences = []
    for ax, label in zip(axes[0], labels, strict=True):
        of_arm = rows_of(rows, label)
        centre = of_arm[(of_arm["x"].abs() < 1e-9)]["value"].mean()
        sentences.append(f"{label}: {centre:.3g} in the middle, {of_arm['value'].max():.3g} at most")
        if two:
            grid = of_arm.pivot_table("value", "y", "x", "mean")
            contours = ax.contour(grid.columns, grid.index, np.log10(np.maximum(grid, 1e-12)), levels)
            mark(contours, label)
            ax.clabel(contours, fontsize="x-small", fmt=lambda level: f"{10**level:.2g}")
            ax.set_aspect("equal")
        else:
            for _, run in of_arm.groupby("run"):
                (thin,) = ax.plot(run["x"], run["value"], color="C0", alpha=0.35, lw=0.8)
                mark(thin, label, [f"{label}, seed {run['seed'].iloc[0]}"])
            middle = of_arm.groupby("x")["value"].agg(["median", "min", "max"])
            mark(ax.fill_between(middle.index, middle["min"], middle["max"], color="C0", alpha=0.15, lw=0), label)
            (line,) = ax.plot(middle.index, middle["median"], color="C0", lw=1.6)
            mark(line, label, [f"{label}: median of the seeds"])
            scales.log(ax.yaxis)
        mark(ax.set_title(literal(label)), label)
        ax.set_xlabel("along the direction")
    axes[0][0].set_ylabel("along the second direction" if two else "loss")
    anew = "statistics=recomputed" in str(rows["options"].iloc[0])
    mode = "moving statistics" + (", recomputed at every point" if anew else "")
    lines = (
        "The contours are those of the mean loss over the seeds, at the same levels in all panels."
        if two
        else "The line is the median of the seeds, and the band has all of them."
    )
    yield Drawn(
        "inside_landscape", "Loss around the trained network", figure,
        f"The loss along {'two directions' if two else 'one direction'}, a panel for each arm. {'; '.join(sentences)}.",
        f"Cross-entropy along random directions with filter normalisation (Li et al. 2018). Measured on "
        f"{sample(rows)}; normalisation by {mode}, {EVAL}. {lines}{note}",
    )  # fmt: skip


def spectrum(rows: pd.DataFrame, style: Style) -> Iterator[Drawn]:
    """Draw the spectral density of the Hessian of the whole network."""
    density = rows[rows["quantity"] == "density"] if "quantity" in rows else rows[:0]
    if density.empty:
        return
    labels, note = arms_of(density)
    figure, axes = panels(1, len(labels), style, sharey=True)
    sentences = []
    for ax, label in zip(axes[0], labels, strict=True):
        of_arm = rows_of(density, label)
        for i, (_, run) in enumerate(of_arm.groupby("run")):
            shares = run["value"].clip(lower=1e-7)
            strokes = ax.vlines(run["eigenvalue"], 1e-7, shares, color=f"C{i % 10}", lw=1.0, alpha=0.7)
            at = [f"eigenvalue {value:.4g}" for value in run["eigenvalue"]]
            mark(strokes, label, tips(label, run["seed"], at, "share", shares))
        scales.log(ax.yaxis)
        mark(ax.set_title(literal(label)), label)
        ax.set_xlabel("eigenvalue")
        sentences.append(f"{label}: from {of_arm['eigenvalue'].min():.3g} to {of_arm['eigenvalue'].max():.3g}")
    axes[0][0].set_ylabel("share of the spectrum")
    training = "training=True" in str(density["options"].iloc[0])
    mode = "statistics of the batch" if training else f"moving statistics, {EVAL}"
    yield Drawn(
        "inside_spectrum", "Spectrum of the Hessian", figure,
        f"The eigenvalues of the Hessian of the loss with their shares, a panel for each arm. "
        f"{'; '.join(sentences)}.",
        f"Stochastic Lanczos quadrature (Yao et al. 2020). Measured on {sample(density)}; normalisation by {mode}. "
        f"Each line is a Ritz value with its weight, and each colour is a seed.{note}",
    )  # fmt: skip


def variance(rows: pd.DataFrame, style: Style) -> Iterator[Drawn]:
    """Draw the variance of the channels by depth."""
    names: Sequence[str] = ("variance", "branch_variance")
    rows = rows[rows["quantity"].isin(names)]
    if rows.empty:
        return
    labels, note = arms_of(rows, MOST_ARMS)
    figure, axes = panels(1, len(names), style, sharex=True, sharey=True)
    sentences = []
    for ax, quantity in zip(axes[0], names, strict=True):
        for i, label in enumerate(labels):
            of_arm = rows_of(rows[rows["quantity"] == quantity], label)
            if of_arm.empty:
                continue
            # A branch ends at the output of its block. Places are counted from the one after the stem.
            x = of_arm["index"] + (quantity == "branch_variance")
            means, what = of_arm["value"].groupby(x).mean(), quantity.replace("_", " ")
            (line,) = ax.plot(means.index, means, color=f"C{i}", marker="o", ms=3, label=literal(label))
            mark(line, label, tips(label, [None] * len(means), _places(means.index), what, means))
            points = ax.scatter(x, of_arm["value"], s=6, color=f"C{i}", alpha=0.4)
            mark(points, label, tips(label, of_arm["seed"], _places(x), what, of_arm["value"]))
            sentences.append(f"{label}, {what}: {means.iloc[0]:.3g} to {means.iloc[-1]:.3g}")
        scales.log(ax.yaxis)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("place, from the input on")
        ax.set_title("between blocks" if quantity == "variance" else "at the end of the branch")
    axes[0][0].set_ylabel("variance of the channels")
    legend_below(figure, axes[0][0])
    mode = "moving statistics" if "training=False" in str(rows["options"].iloc[0]) else "statistics of the batch"
    yield Drawn(
        "inside_variance", "Variance by depth", figure,
        f"The variance of the channels by depth, between blocks and at the end of the branches. "
        f"{'; '.join(sentences)}.",
        f"Variance of each channel over images and positions, the mean over the channels. Measured on {sample(rows)}, "
        f"in one batch; normalisation by {mode}. A line is the mean over the seeds, and a point is one seed.{note}",
    )  # fmt: skip


def _places(index: Iterable[float]) -> list[str]:
    return [f"place {place:g}" for place in index]


DRAWS: dict[str, Callable[[pd.DataFrame, Style], Iterator[Drawn]]] = {
    "lesion": lesions, "reset": lesions, "randomise": lesions, "similarity": similarity, "landscape": landscape,
    "curvature": spectrum, "signal": variance,
}  # fmt: skip
"""Functions that draw the rows of a probe, by its name. The rows of any other probe are drawn as lines."""
WITHOUT = frozenset({"scores", "weight_gradient_rms"})
"""Probes whose rows are not drawn: numbers of whole networks, and values that another figure shows on another scale."""
