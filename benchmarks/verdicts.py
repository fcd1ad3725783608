"""How often verdicts are false, how often their intervals hold the truth, and how often they find what is there.

`python -m benchmarks.verdicts` simulates it, in minutes on two cores, and writes `analysis/judging/calibration.csv`,
which reports quote, and `benchmarks/verdicts.md`. It asks the function that judges claims,
`analysis.judging.decisions.decide`, on many studies at once.

What is true is defined by part: how often training fails, and the measure among what trained. In every cell the
contrast of the measure is at its bound, so that `supported` and `refuted` are both false, except that a claim is truly
decided by failures where their rates differ. `power` is of an effect that Student's t-test of the seeds finds
in 80 % of studies with normal errors, `power_t` what it finds here; `false_t` how often that test decides, runs that
failed left out.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize, stats

from analysis.judging.decisions import SeedValues, Sentence, decide
from analysis.judging.looks import announced
from analysis.statistics import bootstrap_intervals, t_half_width

ROOT = Path(__file__).parents[1]
TABLE, PAGE = ROOT / "analysis" / "judging" / "calibration.csv", ROOT / "benchmarks" / "verdicts.md"
SEEDS = (2, 3, 5, 10, 20)
ALPHA = 0.05
SD = 0.01
COLLAPSE = 0.6
PAIR, ONE, FOUR = np.array([1.0, -1.0]), np.array([1.0]), np.array([1.0, -1.0, -1.0, 1.0])
ERROR = {"worse": 1, "low": 0.0, "high": 1.0}
KINDS = {
    "A > B": Sentence(PAIR, ">", 0.0, **ERROR),
    "A < B + .02": Sentence(PAIR, "<", 0.02, **ERROR),
    "|A - B| < .02": Sentence(PAIR, "within", 0.02, **ERROR),
    "A < .3": Sentence(ONE, "<", 0.3, **ERROR),
    "(A - B) - (C - D) > 0": Sentence(FOUR, ">", 0.0, **ERROR),
}
RATES = {
    "rate(A) > .5": Sentence(ONE, ">", 0.5, 1, 0.0, 1.0, rate=True),
    "rate(A) > rate(B)": Sentence(PAIR, ">", 0.0, 1, 0.0, 1.0, rate=True),
}
NOISES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "lognormal": lambda rng, shape: (rng.lognormal(size=shape) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e),
    "t3": lambda rng, shape: rng.standard_t(3, size=shape) / np.sqrt(3),
}
"""Of mean 0 and standard deviation 1; lognormal: sigma 1, skewness 6."""
PROBABILITIES = (0.05, 0.1, 0.2, 0.5)
EVENTS = ("A fails", "all fail", "A collapses", "all collapse")
INTRODUCTION = """# How far verdicts hold

Made by `python -m benchmarks.verdicts`: 4,000 studies a cell, so that a rate of .05 is known to .007. In parentheses:
Student's t-test at 5 % of the seeds that have a value, without all that `analysis.judging.decisions` does. All of it
is in `analysis/judging/calibration.csv`.

- false: supported or refuted where the contrast is at its bound, at 5 % for all claims and looks together. Where A
  fails or collapses more often than the others, a verdict by failures is true and not counted.
- coverage: how often the interval holds the contrast of what trained.
- power: of an effect that t finds in 80 % of studies with normal errors; of rates, where A always fails and B never; of
  seeds that are added, of the effect that t finds with 20 seeds, and in parentheses t at 20 seeds.

What falls short: lognormal errors (sigma 1, skewness 6) of one arm against a bound or against a quiet arm, up to 10
seeds; and runs that collapse without being at chance, with 2 seeds and a probability of .1 and more in one arm or in
all, or with 3 and a probability of a half, where no seed may show that there is another state. Without an assumption
on the errors no test of a mean has power with few seeds (Bahadur and Savage 1956), and what would help here costs
more than a fifth of the power with normal errors. `mean: A collapses` is the same in the sense of the mean over all
runs, of which few seeds say nothing: a state that was not seen is not known of. So a verdict is of what trained, and
says of how many runs.

"""


def studies(sentence, errors, n, simulations, rng, shift=0.0):
    """Return the runs of many studies whose contrast is `shift` from the bound of a sentence.

    Args:
        sentence: What they are of.
        errors: Of `NOISES`, or `lognormal in A`, the others' being normal and a tenth as large; `ties`: normal, a sixth
            as large, in steps of 1 / 360; `A fails .10`, `all fail .10`: with this probability training fails;
            `A collapses .10`, `all collapse .10`: with this probability an error is .6 higher, and the run does not
            count as failed; `mean: A collapses .10`: the same, and the contrast is at its bound on the mean with these.
        n: Seeds.
        simulations: How many studies.
        rng: What is drawn from.
        shift: In standard deviations of the contrast.
    """
    arms = len(sentence.shares)
    shape = (simulations, arms, n)
    probability = float(errors.split(" ")[-1]) if " ." in errors else 0.0
    noise = NOISES.get(errors.split(" ")[0], NOISES["normal"])(rng, shape)
    sizes = np.full(arms, SD / 6 if errors == "ties" else SD)
    if errors == "lognormal in A":
        noise[:, 1:] = rng.normal(size=noise[:, 1:].shape)
        sizes[1:] /= 10
    values = 0.2 + sizes[:, None] * noise
    values[:, 0] += sentence.bound - 0.2 * sentence.shares.sum() + shift * np.linalg.norm(sizes * sentence.shares)
    events = rng.random(shape) < probability
    if "A " in errors:
        events[:, 1:] = False
    none = np.zeros(shape, dtype=bool)
    if "collapse" in errors:
        values += COLLAPSE * events
        values[:, 0] -= COLLAPSE * probability * errors.startswith("mean")
        return SeedValues(values, none, none)
    if errors == "ties":
        return SeedValues(np.round(values * 360) / 360, none, none)
    failed = events if "fail" in errors else none
    return SeedValues(np.where(failed, np.nan, values), failed, none)


def of_t(sentence, seeds, level=ALPHA):
    """Return which studies Student's t-test supports, and refutes, and whether its interval holds the bound."""
    contrast = np.einsum("san,a->sn", np.nan_to_num(seeds.values), sentence.shares) + 0 * seeds.values.sum(axis=1)
    n = np.isfinite(contrast).sum(axis=1)
    mean = np.nansum(contrast, axis=1) / np.maximum(n, 1)
    sd = np.sqrt(np.nansum((contrast - mean[:, None]) ** 2, axis=1) / np.maximum(n - 1, 1))
    ok = (n > 1) & (sd > 1e-12)
    half = np.where(ok, stats.t.isf(level / 2, np.maximum(n - 1, 1)) * sd / np.sqrt(np.maximum(n, 1)), np.inf)
    low, high, bound = mean - half, mean + half, sentence.bound
    holds = (low <= bound) & (bound <= high)
    if sentence.relation == "within":
        return (low > -bound) & (high < bound), (low > bound) | (high < -bound), holds
    above, below = low > bound, high < bound
    return (above, below, holds) if sentence.relation == ">" else (below, above, holds)


def shown(n):
    """Return the effect, in standard deviations, that Student's t-test of n seeds shows with a probability of 80 %."""
    quantile = stats.t.isf(ALPHA / 2, n - 1)
    return optimize.brentq(lambda d: stats.nct.sf(quantile, n - 1, d * np.sqrt(n)) - 0.8, 0.01, 99)


def cell(sentence, errors, n, simulations, rng):
    """Return the figures of one kind of claim, one kind of errors, and one number of seeds."""
    seeds = studies(sentence, errors, n, simulations, rng)
    judged = decide(sentence, seeds)
    supported, refuted = judged.supports < ALPHA, judged.refutes < ALPHA
    samples, bound = judged.samples, sentence.bound
    part = ALPHA * judged.part
    covered = (samples.above(bound) >= part) & (samples.below(bound) >= part)
    some = samples.n > 1
    by_failures = np.zeros(simulations, dtype=bool)
    if "A fails" in errors or "A collapses" in errors:  # then it is true that A fails more often
        up, _ = judged.failing
        by_failures = up / np.where(some, 0.4, 1.0) < ALPHA
    supported_t, refuted_t, covered_t = of_t(sentence, seeds)
    row = {
        "false": ((supported | refuted) & ~by_failures).mean(), "false_t": (supported_t | refuted_t).mean(),
        "coverage": covered[some].mean() if some.any() else np.nan,
        "coverage_t": covered_t[some].mean() if some.any() else np.nan,
    }  # fmt: skip
    d = shown(n)
    shift = d if sentence.relation == ">" else -d
    wide = sentence.relation != "within" or d * np.sqrt(2) * SD < sentence.bound
    if errors in NOISES and wide:  # of a margin: the effect is inside it
        there = studies(sentence, errors, n, simulations, rng, shift)
        row["power"] = (decide(sentence, there).supports < ALPHA).mean()
        row["power_t"] = of_t(sentence, there)[0].mean()
    return row


def rate_cell(sentence, n, simulations, rng, probability):
    """Return the figures of a claim on rates: false where these are equal, power where A always fails and B never."""

    def judged(chances):
        failed = rng.random((simulations, len(sentence.shares), n)) < np.array(chances)[None, :, None]
        return decide(sentence, SeedValues(failed.astype(float), failed, np.zeros_like(failed)))

    at_bound = judged([probability] * len(sentence.shares))
    there = judged([1.0, 0.0][: len(sentence.shares)])
    decided = (at_bound.supports < ALPHA) | (at_bound.refutes < ALPHA)
    return {"false": decided.mean(), "power": (there.supports < ALPHA).mean()}


def family_cell(sentence, errors, n, simulations, rng, claims=4):
    """Return how often at least one of some claims is decided, by Holm's method, where none is true."""
    p = []
    for _ in range(claims):
        judged = decide(sentence, studies(sentence, errors, n, simulations, rng))
        p.append(np.minimum(judged.supports, judged.refutes))
    return {"false": (np.min(p, axis=0) * claims < ALPHA).mean()}


def sequential_cell(sentence, errors, simulations, rng, first=3, most=20):
    """Return the figures of adding seeds until a claim is decided; `power_t` is that of one look at the most seeds."""
    row = {}
    d = shown(most)
    for name, shift in (("false", 0.0), ("power", d if sentence.relation == ">" else -d)):
        seeds = studies(sentence, errors, most, simulations, rng, shift)
        decided = np.zeros(simulations, dtype=bool)
        for look in announced((), first, most):
            part = SeedValues(*(values[:, :, : look.seeds] for values in (seeds.values, seeds.failed, seeds.lost)))
            judged = decide(sentence, part, ALPHA * look.share)
            decided |= judged.supports < ALPHA * look.share
            if name == "false":
                decided |= judged.refutes < ALPHA * look.share
        row[name] = decided.mean()
    repeated = studies(sentence, errors, most, simulations, rng)
    first = [SeedValues(*(values[:, :, :n] for values in vars(repeated).values())) for n in (3, 5, 10, 20)]
    looks = [of_t(sentence, part) for part in first]
    row["false_t"] = np.any([supported | refuted for supported, refuted, _ in looks], axis=0).mean()
    row["power_t"] = of_t(sentence, seeds)[0].mean()
    return row


def bootstrap_cell(errors, n, simulations, rng):
    """Return how often the BCa bootstrap of one arm's mean holds it, beside Student's t."""
    samples = NOISES[errors](rng, (simulations, n))
    held = []
    for start in range(0, simulations, 100):  # a set of resamples each, of as many as a report draws
        low, high, _ = bootstrap_intervals(samples[start : start + 100], rng)
        held.append((low <= 0) & (high >= 0))
    half = t_half_width(n, samples.std(axis=1, ddof=1))
    return {"coverage": np.concatenate(held).mean(), "coverage_t": (np.abs(samples.mean(axis=1)) <= half).mean()}


def cells(simulations):
    """Yield every cell: claim, errors, seeds, claims, looks; and a function from a generator to its figures."""
    events = [f"{who} {p:.2f}".replace(" 0.", " .") for who in EVENTS for p in PROBABILITIES]
    for kind, sentence in KINDS.items():
        alone = len(sentence.shares) == 1
        own = [*NOISES, "ties", *events, *([] if alone else ["lognormal in A"])]
        for errors in [each for each in own if not (alone and each.startswith("all"))]:
            for n in SEEDS:
                yield (kind, errors, n, 1, "fixed"), partial(cell, sentence, errors, n, simulations)
    for p in PROBABILITIES:
        for n in SEEDS:
            errors = f"mean: A collapses {p:.2f}".replace(" 0.", " .")
            yield ("A < B + .02", errors, n, 1, "fixed"), partial(cell, KINDS["A < B + .02"], errors, n, simulations)
            both = partial(rate_cell, RATES["rate(A) > rate(B)"], n, simulations, probability=p)
            yield ("rate(A) > rate(B)", f"rates of {p:g}", n, 1, "fixed"), both
    for n in SEEDS:
        each = partial(rate_cell, RATES["rate(A) > .5"], n, simulations, probability=0.5)
        yield ("rate(A) > .5", "rates of 0.5", n, 1, "fixed"), each
        for errors in (*NOISES, "all fail .20"):
            four = partial(family_cell, KINDS["A < B + .02"], errors, n, simulations)
            yield ("A < B + .02", errors, n, 4, "fixed"), four
        for errors in NOISES:
            yield ("BCa of A", errors, n, 1, "fixed"), partial(bootstrap_cell, errors, n, simulations // 4)
    for errors in (*NOISES, "A fails .20", "A collapses .20"):
        for kind in ("A > B", "A < .3"):
            yield (kind, errors, 20, 1, "sequential"), partial(sequential_cell, KINDS[kind], errors, simulations)


def simulated(simulations=4000, wanted=lambda *_: True):
    """Return the table: one row for each requested cell, with its figures."""
    listed = list(cells(simulations))
    streams = np.random.default_rng(0).spawn(len(listed))
    names = ("claim", "errors", "n", "claims", "looks")
    rows = [
        dict(zip(names, what, strict=True)) | {"simulations": simulations} | cell(rng=rng)
        for (what, cell), rng in zip(listed, streams, strict=True)
        if wanted(*what)
    ]
    figures = ["false", "false_t", "coverage", "coverage_t", "power", "power_t"]
    return pd.DataFrame(rows).reindex(columns=[*names, "simulations", *figures])


def main():
    """Simulate every cell, and write the table and the page."""
    table = simulated().round(4)
    table.to_csv(TABLE, index=False)
    write_page(table)
    table.to_string(sys.stdout, index=False)


def write_page(table):
    """Write the page: the figures of each kind of claim and errors in the order of the seeds."""
    lines = [INTRODUCTION]
    for (kind, claims, looks), rows in table.groupby(["claim", "claims", "looks"], sort=False):
        title = f"{kind}{', four claims' * (claims > 1)}{', seeds added until decided, 3 to 20' * (looks != 'fixed')}"
        numbers = list(dict.fromkeys(rows["n"]))
        lines += [f"## {title}", "", f"| errors | | {' | '.join(f'n = {n}' for n in numbers)} |"]
        lines += ["|---" * (2 + len(numbers)) + "|"]
        for errors, group in rows.groupby("errors", sort=False):
            by_n = group.set_index("n")
            for name, other in (("false", "false_t"), ("coverage", "coverage_t"), ("power", "power_t")):
                if by_n[name].notna().any():
                    lines.append(
                        f"| {errors} | {name} | {' | '.join(_pair(by_n.loc[n], name, other) for n in numbers)} |"
                    )
        lines.append("")
    PAGE.write_text("\n".join(lines))


def _pair(row, name, other):
    if np.isnan(row[name]):
        return "–"
    return f"{row[name]:.3f}" + ("" if np.isnan(row[other]) else f" ({row[other]:.3f})")


if __name__ == "__main__":
    main()
