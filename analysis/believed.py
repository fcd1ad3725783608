"""What a replicated search believes of the points that it has tried: `believed.json` in its folder."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from resnet_core.folders import write_file
from resnet_core.sealed import UNREADABLE, seal, unseal

FILE = "believed.json"


def write(root: Path, beliefs: list[dict[str, Any]]) -> None:
    """Write the beliefs, the best first: of each point the `run` of its first trial, the `value` of the objective that
    is believed, the `probability` of being the best of those tried, and the number of trials `measured`.
    """
    write_file(root / FILE, seal({"beliefs": beliefs}))


def read(root: Path) -> list[dict[str, Any]]:
    """Return the beliefs in a folder, the best first; an empty list if there are none, or the file is damaged."""
    try:
        return list(unseal((root / FILE).read_bytes())["beliefs"])
    except (*UNREADABLE, json.JSONDecodeError):
        return []


def table(root: Path, trials: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each point, the best first: `trial`, `believed`, `probability`, `measured`.

    Args:
        root: Folder of a search.
        trials: See `analysis.trials.table`.
    """
    numbers = trials.set_index("run")["trial"]
    rows = [belief for belief in read(root) if belief["run"] in numbers.index]
    return pd.DataFrame({
        "trial": [int(numbers[row["run"]]) for row in rows], "believed": [row["value"] for row in rows],
        "probability": [row["probability"] for row in rows], "measured": [row["measured"] for row in rows],
    })  # fmt: skip
