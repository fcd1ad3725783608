"""Differences that a number of seeds can detect, for each claim of a study."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.claims import Claim
from analysis.judging.contrasts import contrasts
from analysis.judging.power import detectable, needed, needed_of_rates
from analysis.judging.verdicts import ALPHA, distance, in_the_middle
from resnet_core.runs.records.frames import Frames


def power(claims: Sequence[Claim], planned: pd.DataFrame, frames: Frames, seeds: Sequence[int]) -> pd.DataFrame:
    """Return the differences from its bound that each claim's contrast can show, given the spread of the present seeds.

    A difference is shown by a paired t-test with a power of 80 %, at a significance level of 5 % divided by the number
    of claims. The spread of few seeds is itself uncertain: that of three may be wrong by a factor of two.

    Args:
        claims: The claims.
        planned: One row for each planned run: `run`, `seed` and the factors.
        frames: The tables of the study's store.
        seeds: Numbers of seeds.

    Returns:
        One row for each claim: `claim`, `n`, `effect` (from the bound; of a margin, inside its nearer end), `spread`
        (standard deviation over the seeds), the least difference that a number of seeds shows, as `at_{seeds}`, and
        `needed`: how many seeds show the effect. Of rates, `needed` is that of
        `analysis.judging.power.needed_of_rates`.
    """
    alpha = ALPHA / max(1, len(claims))
    rows = []
    for claim in claims:
        data = contrasts(claim, planned, frames)
        values = data.values
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
        mean = float(values.mean()) if len(values) else np.nan
        effect = distance(claim, mean)
        row = {"claim": claim.text or str(claim), "n": len(values), "effect": effect, "spread": spread}
        row |= {f"at_{n}": detectable(n, alpha) * spread for n in seeds}
        d = abs(effect) / spread if spread else np.nan
        enough = needed(d, alpha, both=in_the_middle(claim, mean))
        if data.sentence.rate:
            enough = needed_of_rates(data.failure_rates, [*data.sentence.shares], claim.bound, alpha)
        rows.append({**row, "needed": enough})
    return pd.DataFrame(rows)
