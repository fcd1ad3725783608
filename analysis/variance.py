"""Main effects and interactions of factors: an analysis of variance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.statistics import (
    holm,
)

MOST_COLUMNS = 300  # most columns of the matrix of a linear model


def main_effects(data: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Split the variance of a measure into main effects and interactions of the factors.

    The model is linear in the levels, with the seed as a block. The analysis of variance uses sums of squares of type
    II (Fisher 1935; Langsrud 2003). In a full design with all seeds, the tests of the factors are those of a mixed
    model with the seed as a random intercept. The model contains interactions up to the highest order that the runs can
    identify.

    Args:
        data: See `analysis.comparisons`. Runs without a value are left out, and counted in N.
        factors: Columns of `data`.

    Returns:
        One row for each term: `term`, such as `depth × skip`; `df`; `sum_sq`; `share`, its share of the sums of squares
        of all terms and the residual; `F`, `p` and `p_corrected` by Holm's method; `n` of `N` runs. The table is empty
        if the runs cannot identify the model.
    """
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    known = data[data["value"].notna()]
    varied = [name for name in factors if known[name].nunique(dropna=False) > 1]
    if not varied or known["value"].nunique() < 2:
        return pd.DataFrame()
    letters = {name: f"f{i}" for i, name in enumerate(varied)}
    frame = known.rename(columns=letters)[[*letters.values(), "seed", "value"]]
    frame = frame.assign(**{letter: frame[letter].astype(str) for letter in letters.values()})
    block = " + C(seed)" if frame["seed"].nunique() > 1 else ""
    sizes = [frame[letter].nunique() for letter in letters.values()]
    for order in range(len(varied), 0, -1):
        if _columns(sizes, order) + frame["seed"].nunique() > min(MOST_COLUMNS, len(frame)):
            continue
        model = ols(f"value ~ ({' + '.join(f'C({letter})' for letter in letters.values())})**{order}{block}", frame)
        if np.linalg.matrix_rank(model.exog) == model.exog.shape[1] < len(frame):
            break
    else:
        return pd.DataFrame()
    fit = model.fit()
    if not fit.ssr > 1e-12 * fit.centered_tss:
        return pd.DataFrame()
    table = anova_lm(fit, typ=2)
    words = {f"C({letter})": name for name, letter in letters.items()} | {"C(seed)": "seed", "Residual": "residual"}
    terms = [" × ".join(words[part] for part in term.split(":")) for term in table.index]
    p = table["PR(>F)"].to_numpy(float, copy=True)
    p[[term in ("seed", "residual") for term in terms]] = np.nan
    return pd.DataFrame({
        "term": terms, "df": table["df"].to_numpy(int), "sum_sq": table["sum_sq"].to_numpy(float),
        "share": (table["sum_sq"] / table["sum_sq"].sum()).to_numpy(float), "F": table["F"].to_numpy(float),
        "p": p, "p_corrected": holm(p), "n": len(known), "N": len(data),
    })  # fmt: skip


def _columns(sizes: Sequence[int], order: int) -> int:
    """Return the number of columns of all interactions up to an order, given the numbers of levels of the factors."""
    counts = [1] + [0] * order  # by how many factors
    for size in sizes:
        for i in range(order, 0, -1):
            counts[i] += counts[i - 1] * (size - 1)
    return sum(counts)
