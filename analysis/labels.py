"""Labels of arms and of comparisons: the study's own words for levels, or else the levels."""

import re
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


def named_effects(effects: pd.DataFrame, words: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return effects with the names of levels: `level`, `reference` and `at` are texts such as `plain`, or `depth 20`.

    Args:
        effects: What `analysis.comparisons.effects` returns.
        words: Names of levels, see `Plan.words`.
    """
    if effects.empty:
        return effects
    factors = sorted({*effects["factor"], *re.findall(r"(?:^| )([\w.]+)=", " ".join(effects["at"]))})
    split = re.compile(rf" (?=(?:{'|'.join(map(re.escape, factors))})=)")

    def names_of(text: str) -> str:
        parts = (part.partition("=") for part in split.split(text) if part)
        return ", ".join(level_name(factor, level, words) if sign else factor for factor, sign, level in parts)

    def named(row: "pd.Series[str]", column: str) -> str:
        return names_of(row[column] if row["factor"] == "arm" else f"{row['factor']}={row[column]}")

    return effects.assign(
        level=effects.apply(named, axis=1, column="level"),
        reference=effects.apply(named, axis=1, column="reference"),
        at=effects["at"].map(names_of),
    )


def level_name(factor: str, level: object, words: Mapping[str, Mapping[str, str]]) -> str:
    """Return the name of a level, such as `plain`, or else a text such as `depth 20`."""
    return _names(words.get(factor, {})).get(str(level), f"{factor} {level}")


def _names(words: Mapping[str, str]) -> dict[str, str]:
    """Return the names of levels; none if two levels have the same name."""
    names = {level: text.partition(":")[0].strip() for level, text in words.items()}
    return names if len(set(names.values())) == len(names) else {}


def _named(levels: pd.Series, factor: str, words: Mapping[str, str]) -> pd.Series:
    """Return the names of levels: those of `words` if they are distinct, else `factor=level`."""
    names = _names(words)
    return levels.map(lambda level: names.get(level, f"{factor}={level}"))
