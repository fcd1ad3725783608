"""Measure searches with and without further seeds of a point on tables of trained networks.

`python -m benchmarks.replicates GROUP [noiseless]` prints regrets; `replicates.md` has some. For the tables, see
`first_trials`. An evaluation draws one of a point's trainings, or in a noiseless table has their mean. Regret is what
the mean of the point that a search ends with lacks of the best mean there is. A plain search ends with the point of the
best measurement, a replicated one with the point that is believed to be the best.
"""

import sys
from typing import Any

import numpy as np

from benchmarks.first_trials import Losses, Space, tables
from resnet_core.seeds import generator

SHOWN = (15, 25)
SEEDS = 5


def regrets(space: Space, losses: Losses, seed: int, *, replicates: bool, noiseless: bool) -> list[tuple[float, int]]:
    """Return the regret and the number of further seeds after each number of trials in `SHOWN`."""
    import keras_tuner

    from search.oracles import REPLICATE, oracle

    over = keras_tuner.HyperParameters()
    for hyperparameter, values in space.items():
        over.Choice(hyperparameter, values)
    options: dict[str, Any] = {"replicates": True} if replicates else {}
    proposer: Any = oracle("gp", keras_tuner.Objective("loss", "min"), over, max(SHOWN), seed, **options)
    best = min(float(each.mean()) for each in losses.values())
    means: dict[str, float] = {}
    least, incumbent, further, shown = np.inf, "", 0, []
    for number in range(max(SHOWN)):
        trial = proposer.create_trial("tuner0")
        values = trial.hyperparameters.values
        further += REPLICATE in values
        known = losses["".join(str(choices.index(values[hp])) for hp, choices in space.items())]
        means[trial.trial_id] = float(known.mean())
        draw = known[generator(seed, "training", number).integers(len(known))]
        loss = means[trial.trial_id] if noiseless else float(draw)
        if loss < least:
            least, incumbent = loss, trial.trial_id
        proposer.update_trial(trial.trial_id, {"loss": loss})
        trial.status = "COMPLETED"
        proposer.end_trial(trial)
        if number + 1 in SHOWN:
            ends_with = proposer.beliefs()[0].trial if replicates else incumbent
            shown.append((means[ends_with] - best, further))
    return shown


def main(group: str, noiseless: bool) -> None:
    """Print by table the regret of the replicated search over that of the plain one, and its further seeds."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        for table, (space, losses) in tables(group).items():
            plain, replicated = (
                np.mean([regrets(space, losses, seed, replicates=replicates, noiseless=noiseless)
                         for seed in range(SEEDS)], axis=0)
                for replicates in (False, True)
            )  # fmt: skip
            for trials, (regret, _), (other, further) in zip(SHOWN, plain, replicated, strict=True):
                print(f"{table} {trials}: {other / regret:.2f}, {further:.1f} further seeds", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], "noiseless" in sys.argv[2:])
