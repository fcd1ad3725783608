"""Labels of arms in figures: the study's own words for levels, or else the levels."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from analysis.tables import in_order, varied


def arm_labels(
    runs: pd.DataFrame,
    factors: Sequence[str],
    words: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    *,
    depths: bool = False,
) -> pd.Series:
    """Return for each run the label of its arm: the levels that vary, such as `skip=none`, or `all` if none varies.

    Args:
        runs: One row for each run.
        factors: Columns of the factors.
        words: Names of levels, see `Plan.words`. A name replaces a text such as `skip=none`.
        depths: Whether labels contain the depth.
    """
    names = [factor for factor in varied(runs, factors) if depths or factor != "depth"]
    texts = [_named(runs[name].astype(str), name, words.get(name, {})) for name in names]
    labels = pd.Series("all", index=runs.index)
    if texts:
        between = ", " if any(words.get(name) for name in names) else " "
        labels = texts[0].str.cat(pd.DataFrame(dict(enumerate(texts[1:])), index=runs.index), sep=between)
    return in_order(labels)


def _named(levels: pd.Series, factor: str, words: Mapping[str, str]) -> pd.Series:
    """Return the names of levels: those of `words` if they are distinct, else `factor=level`."""
    names = {level: text.partition(":")[0].strip() for level, text in words.items()}
    if len(set(names.values())) < len(names):
        names = {}
    return levels.map(lambda level: names.get(level, f"{factor}={level}"))
