"""Studies whose records are made up, in no time and without TensorFlow."""

import math
from dataclasses import replace
from pathlib import Path

from analysis.figures.layout import STYLES
from resnet_core.nets.spec import cifar
from resnet_core.runs.records.plan import Plan, PlannedRun
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec

STEPS = (0, 1, 2)
PAGE = replace(STYLES["screen"], suffixes=("svg",))
"""The style of a report of which only the page is looked at: every figure is drawn once."""


def study(folder, arms, seeds, value=lambda run: 0.1, fate=lambda run: "completed", **options):
    """Write a study and return its folder.

    Args:
        folder: Where.
        arms: Levels of the factors.
        seeds: How many.
        value: The test error of a run.
        fate: How a run ends; `missing` for no record.
        options: `probes`, `epochs`: whether there are any; `steps`; `claims`, `published`, `tuning`; `layers` of a run;
            `data`; `environment` of a run; `words`.
    """
    train = TrainSpec(steps=2, data_sha256=options.get("data", "0") * 64)
    names = tuple(arms[0])
    runs = [
        Run(cifar(8 + 6 * (i % 50), width=1 + i // 50), train, seed=seed, factors=arm)
        for i, arm in enumerate(arms)
        for seed in range(seeds)
    ]
    planned = tuple(map(PlannedRun.from_run, runs))
    store = Store(Path(folder))
    about = {"claims": options.get("claims", ()), "published": options.get("published", ())}
    about |= {"tuning": options.get("tuning", ()), "words": options.get("words", {})}
    store.add_plan(Plan("made-up", "What?", "Nobody", {}, names, ("resnet-ablate <b>run</b>",), planned, 1, **about))
    for run in runs:
        if fate(run) != "missing":
            store.write(record(run, fate(run), value(run), **options))
    return Path(folder)


def made_with(run):
    return {"threads": 1, "keras": "3"}


def record(run, status, error, *, probes=True, epochs=True, steps=2, layers=lambda run: 8, environment=made_with, **_):
    """Return the record of a run."""
    ended = Outcome(status, steps, "" if status == "completed" else "Traceback <script>alert(1)</script> & more")
    results = {f"{part}_{kind}": 1 - error if kind == "accuracy" else 2 * error
               for part in ("train", "val", "test") for kind in ("accuracy", "loss")}  # fmt: skip
    curve = [{"epoch": i, "step": i, "learning_rate": 0.1, "loss": error / i, "accuracy": 1 - error,
              "val_loss": error, "val_accuracy": 1 - error} for i in (1, 2)]  # fmt: skip
    sites = [
        {"step": step, "epoch": 0, "probe": probe, "layer": f"l{i}", "index": i, "path": "main",
         "value": (error if math.isnan(error) else 10.0 ** (run.seed / 10 - i))}
        for probe in ("weight_gradient_l2", "activation_gradient_l2") for step in STEPS[: steps + 1] for i in range(4)
    ]  # fmt: skip
    whole = status == "completed"
    network = (
        {"layers": layers(run), "parameters": 100 + run.net.depths[0], "macs": 1000} if status != "crashed" else {}
    )
    results = results if whole and not math.isnan(error) else {}
    rows = {"epochs": curve if epochs and steps else [], "probes": sites if probes else []}
    return Record(run, ended, results, **rows, network=network, environment=environment(run), seconds=1.0)
