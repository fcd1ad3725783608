"""The block card: a table with one row per block and the means of its probes over the seeds of an arm."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.of_probes import usual
from analysis.statistics import t_half_width
from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec

Rows = pd.DataFrame
KEYS = ["run", "block"]


@dataclass(frozen=True)
class Quantity:
    """A quantity of a block, computed from probes.

    Attributes:
        about: Description.
        probes: The probes from whose rows it is computed.
        compute: Function from the rows of these probes to a table with `run`, `block` and `value`.
        bounds: Smallest and largest possible value. Intervals end there.
    """

    about: str
    probes: tuple[str, ...]
    compute: Callable[[Mapping[str, Rows]], Rows]
    bounds: tuple[float, float]


def _rise(name: str) -> Callable[[Mapping[str, Rows]], Rows]:
    """Return the function that computes the rise of the error above that of the intact network."""

    def rise(rows: Mapping[str, Rows]) -> Rows:
        known = rows[name]
        known = known[known["unit"] == "block"] if "unit" in known and name != "lesion" else known
        return known[KEYS].assign(value=known["value"] - known["intact"])

    return rise


def _gradient_share(rows: Mapping[str, Rows]) -> Rows:
    squares = rows["weight_gradient_l2"].assign(value=lambda table: table["value"] ** 2)
    whole = squares.groupby("run")["value"].sum()
    in_blocks = squares[squares["block"] != ""].groupby(KEYS, sort=False)["value"].sum().reset_index()
    return in_blocks.assign(value=in_blocks["value"] / in_blocks["run"].map(whole))


def _column(name: str, column: str) -> Callable[[Mapping[str, Rows]], Rows]:
    return lambda rows: rows[name][KEYS].assign(value=rows[name][column])


def _variance(rows: Mapping[str, Rows]) -> Rows:
    known = rows["signal"]
    return known[known["quantity"] == "branch_variance"][[*KEYS, "value"]]


def _alike(rows: Mapping[str, Rows]) -> Rows:
    known = rows["similarity"]
    same_network = known["other"].fillna("") == ""
    return known[same_network & (known["index"] == known["other_index"] + 1)][[*KEYS, "value"]]


def _gain(rows: Mapping[str, Rows]) -> Rows:
    known = rows["linear_probe"].sort_values(["run", "index"], kind="stable")
    gains = known["value"] - known.groupby("run")["value"].shift()
    return known.assign(value=gains)[known["block"] != ""][[*KEYS, "value"]]


QUANTITIES: Mapping[str, Quantity] = {
    "lesion": Quantity("rise of the error without the block's branch", ("lesion",), _rise("lesion"), (-1, 1)),
    "reset": Quantity("rise of the error with the block at its initial weights", ("reset",), _rise("reset"), (-1, 1)),
    "gradient": Quantity("share of the squared gradient of all kernels", ("weight_gradient_l2",), _gradient_share,
                         (0, 1)),
    "branch": Quantity("length of F(x) over that of x", ("iterative",), _column("iterative", "length"),
                       (0, np.inf)),
    "cosine": Quantity("cosine of F(x) with the gradient of the loss by x", ("iterative",),
                       _column("iterative", "value"), (-1, 1)),
    "variance": Quantity("variance at the end of the branch", ("signal",), _variance, (0, np.inf)),
    "cka": Quantity("CKA of the block's output with its input", ("similarity",), _alike, (-np.inf, 1)),
    "linear": Quantity("gain of the accuracy of a linear classifier", ("linear_probe",), _gain, (-1, 1)),
}  # fmt: skip
"""The columns of the card, in order."""


def block_card(probed: pd.DataFrame | None, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the block card.

    Args:
        probed: Rows of probes with `label` of the arm, as `analysis.study.read` returns them. `None` if no probe ran.
        runs: The table of runs, with `run` and the fields of the networks, `net.*`.

    Returns:
        One row for each arm and block: `label`, `block` and `n` (the largest number of seeds of a quantity). For each
        measured quantity of `QUANTITIES`: its mean, and `{name}_low` and `{name}_high`, its 95 % interval of Student's
        t. Then `parameters` and `macs` of the block. The table is empty if no quantity was measured.
    """
    if probed is None or probed.empty:
        return pd.DataFrame(columns=["label", "block"])
    parts = {name: usual(rows) for name, rows in probed.groupby("probe", sort=False)}
    by_arm = probed.drop_duplicates("run").set_index("run")["label"]
    card: pd.DataFrame | None = None
    for name, quantity in QUANTITIES.items():
        if not all(probe in parts for probe in quantity.probes):
            continue
        values = quantity.compute({str(probe): rows for probe, rows in parts.items()})
        values = values.assign(label=values["run"].map(by_arm)).dropna(subset=["value"])
        if len(values):
            summary = _summarised(values, name, quantity.bounds)
            card = summary if card is None else card.merge(summary, on=["label", "block"], how="outer", sort=False)
    if card is None:
        return pd.DataFrame(columns=["label", "block"])
    counts = [name for name in card if str(name).startswith("n_")]
    card.insert(2, "n", card[counts].max(axis=1).astype(int))
    labelled = runs.assign(label=runs["run"].map(by_arm)).dropna(subset=["label"])
    return _with_cost(_ordered(card.drop(columns=counts), probed), labelled)


def _summarised(values: pd.DataFrame, name: str, bounds: tuple[float, float]) -> pd.DataFrame:
    groups = values.groupby(["label", "block"], observed=True, sort=False)["value"]
    table = groups.agg(n="count", mean="mean", sd="std").reset_index()
    half = t_half_width(table["n"].to_numpy(), table["sd"].to_numpy(float))
    return pd.DataFrame({
        "label": table["label"].astype(str), "block": table["block"], f"n_{name}": table["n"], name: table["mean"],
        f"{name}_low": (table["mean"] - half).clip(*bounds), f"{name}_high": (table["mean"] + half).clip(*bounds),
    })  # fmt: skip


def _ordered(card: pd.DataFrame, probed: pd.DataFrame) -> pd.DataFrame:
    """Return the card sorted by arm, and by block from the input to the output."""
    names = [str(label) for label in dict.fromkeys(probed.sort_values("label")["label"])]
    depth = probed[probed["block"] != ""].groupby(["label", "block"], observed=True)["index"].max()
    keys = depth.index.to_frame()
    places = dict(zip(zip(keys["label"].astype(str), keys["block"], strict=True), depth, strict=True))
    order = [(names.index(label), places.get((label, block), 0), block)
             for label, block in zip(card["label"], card["block"], strict=True)]  # fmt: skip
    return card.iloc[sorted(range(len(card)), key=order.__getitem__)].reset_index(drop=True)


def _with_cost(card: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the card with the cost of each block, where the spec of the arm's networks has these blocks."""
    first = runs.assign(label=runs["label"].astype(str)).drop_duplicates("label").set_index("label")
    costs: dict[tuple[str, str], tuple[int, int]] = {}
    for label in dict.fromkeys(card["label"]):
        for layer in _layers(first.loc[label]) if label in first.index else ():
            name = "_".join(layer.name.split("_")[:2])
            parameters, macs = costs.get((label, name), (0, 0))
            costs[label, name] = parameters + layer.trainable, macs + layer.macs
    pairs = [costs.get(key, (pd.NA, pd.NA)) for key in zip(card["label"], card["block"], strict=True)]
    counts = pd.DataFrame(pairs, index=card.index, columns=["parameters", "macs"], dtype="Int64")
    return card.join(counts)


def _layers(run: "pd.Series[Any]") -> tuple[Any, ...]:
    fields = {}
    for name in NetSpec.model_fields:
        value = run.get(f"net.{name}")
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or (isinstance(value, float) and np.isnan(value)):
            continue
        fields[name] = value
    try:
        return cost(NetSpec(**fields)).layers
    except UserError:  # a user's block that is not registered here
        return ()


def about(card: pd.DataFrame) -> str:
    """Return a sentence for each column of a card."""
    return "; ".join(f"{name}: {quantity.about}" for name, quantity in QUANTITIES.items() if name in card)
