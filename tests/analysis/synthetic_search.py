"""Searches whose records are made up, in no time and without TensorFlow."""

import random
from pathlib import Path

from analysis.claims import mean
from resnet_core.nets.spec import cifar
from resnet_core.runs.records.plan import Plan, PlannedRun
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec

FACTORS = ("skip", "block", "blocks", "width", "cardinality", "order", "learning_rate")
DATA = "0" * 64


def search(
    folder, trials=30, objective="val_accuracy (max)", fate=None, epochs=lambda number: 8, confirm=0, alike=False
):
    """Write a search and return its folder.

    Args:
        folder: Where.
        trials: How many; of 30, the 7th diverges, the 11th crashes and the last is open.
        objective: Text of the plan.
        fate: How a trial ends, by its number; `open` for no record.
        epochs: Of a trial, by its number. One of more than 8 has the values of the trial 30 before.
        confirm: How many of the best have fresh seeds and a twin.
        alike: Whether all trials have the same values.
    """
    fate = fate or (lambda number: {7: "diverged", 11: "crashed", 30: "open"}.get(number, "completed"))
    runs = [
        run_of(number if epochs(number) == 8 else number - 30, epochs(number), alike) for number in range(1, trials + 1)
    ]
    base = {
        "oracle": "gp", "objective": objective, "limits": "parameters <= 300000", "search_seed": 0, "space": "made-up",
        "space.width": "4, 8, 16, 32", "space.cardinality": "1, 2, 4 if block is bottleneck", "train.batch_size": 128,
    }  # fmt: skip
    write(Path(folder), "found", base, FACTORS, runs, [fate(i) for i in range(1, trials + 1)], ())
    if confirm:
        kept = [(number, run) for number, run in enumerate(runs, start=1) if fate(number) == "completed"]
        best = sorted(kept, key=lambda trial: -quality(trial[1]))[:confirm]
        again = [
            Run(net, run.train, seed=1_000_000 + seed, factors={"trial": number, "net": kind})
            for number, run in best
            for kind, net in (
                ("found", run.net),
                ("twin", run.net.replace(skip="A" if run.net.skip == "none" else "none")),
            )
            for seed in range(3)
        ]
        claims = tuple(
            (mean("test_error", trial=number, net="found") < mean("test_error", trial=number, net="twin")).to_dict()
            for number, _ in best
        )
        about = {f"search.{name}": value for name, value in base.items()}
        write(
            Path(folder) / "confirm",
            "found-confirm",
            about,
            ("trial", "net"),
            again,
            ["completed"] * len(again),
            claims,
        )
    return Path(folder)


def run_of(number, epochs, alike):
    """Return the run of a trial."""
    draw = random.Random(0 if alike else number)
    block = draw.choice(["basic", "bottleneck"])
    values = {
        "skip": draw.choice(["none", "A", "B"]), "block": block, "blocks": draw.randint(1, 3),
        "width": draw.choice([4, 8, 16, 32]), "cardinality": draw.choice([1, 2, 4]) if block == "bottleneck" else None,
        "order": draw.choice(["original", "full_preactivation"]), "learning_rate": 10 ** draw.uniform(-3, -0.5),
    }  # fmt: skip
    per_block = 6 if block == "basic" else 9
    net = cifar(
        per_block * values["blocks"] + 2, values["width"], **{name: values[name] for name in ("skip", "block", "order")}
    )
    train = TrainSpec(epochs=epochs, data_sha256=DATA, learning_rate=values["learning_rate"])
    return Run(net, train, seed=number if alike else 0, factors=values)


def quality(run):
    """Return the validation accuracy of a run."""
    size = sum(run.net.depths) * run.net.widths[0]
    far = abs(run.train.learning_rate - 0.05)
    return (
        0.9
        + 0.0003 * size
        + 0.02 * (run.net.skip != "none")
        - 0.1 * far
        - 0.2 / run.train.epochs
        + run.seed % 7 * (0.001 if run.net.skip == "none" else 0.0015)
    )


def write(folder, name, base, factors, runs, fates, claims):
    planned = tuple(map(PlannedRun.from_run, runs))
    store = Store(folder)
    command = "resnet-search run <b>--oracle gp</b>"
    store.add_plan(Plan(name, f"What is <i>{name}</i>?", "Search by gp", base, factors, (command,), planned, 1, claims))
    for number, (run, fate) in enumerate(zip(runs, fates, strict=True), start=1):
        if fate != "open":
            store.write(record(run, fate, number))


def record(run, status, number):
    done = status == "completed"
    accuracy = quality(run)
    results = {f"{part}_accuracy": accuracy - loss for part, loss in (("train", 0), ("val", 0), ("test", 0.01))}
    results |= {f"{part}_loss": 2 * (1 - accuracy) for part in ("train", "val", "test")}
    size = sum(run.net.depths) * run.net.widths[0] ** 2
    return Record(
        run, Outcome(status, 10, "" if done else "Traceback <script>alert(1)</script>"), results if done else {},
        network={"layers": run.net.depth, "parameters": 50 * size, "macs": 9000 * size}, environment={"threads": 1},
        seconds=10.0 + number, usage={"latency_seconds": 1e-5 * size} if done else {},
    )  # fmt: skip
