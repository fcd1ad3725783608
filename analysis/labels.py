"""What arms are called in figures: by the words of their study, else by their levels."""

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
    """Return what tells an arm from others of its depth: `skip=none`, or `all` if nothing does.

    Args:
        runs: A row a run.
        factors: Columns.
        words: What levels are called, see `Plan.words`; a name stands in place of `skip=none`.
        depths: Whether arms of other depths are told apart, too.
    """
    names = [factor for factor in varied(runs, factors) if depths or factor != "depth"]
    texts = [_named(runs[name].astype(str), name, words.get(name, {})) for name in names]
    labels = pd.Series("all", index=runs.index)
    if texts:
        between = ", " if any(words.get(name) for name in names) else " "
        labels = texts[0].str.cat(pd.DataFrame(dict(enumerate(texts[1:])), index=runs.index), sep=between)
    return in_order(labels)


def _named(levels: pd.Series, factor: str, words: Mapping[str, str]) -> pd.Series:
    """Return what levels are called: the names of the words, unless two levels would have one, else `factor=level`."""
    names = {level: text.partition(":")[0].strip() for level, text in words.items()}
    if len(set(names.values())) < len(names):
        names = {}
    return levels.map(lambda level: names.get(level, f"{factor}={level}"))
