"""The best network of a search as files: `.keras`, JSON, TOML and Python."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from resnet_core.folders import naming, path_aside, sweep, sync, write_file
from resnet_core.nets.own import spec_of
from resnet_core.nets.spec import NetSpec
from resnet_core.runs.execution import job
from resnet_core.runs.exports.about import add_about
from resnet_core.runs.exports.exporting import ABOUT
from resnet_core.runs.exports.trained import with_preprocessing
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.checkpoints import UNREADABLE, variables_of
from resnet_core.runs.training.forms import weights_of_state
from resnet_core.spec_model import Spec
from resnet_core.telling import say, warn
from search.by_class import measure_by_class
from search.confirm import FOUND
from search.objectives import Objective

EXPORTS = "best"
"""Subfolder of a search for exports."""


class StateLost(Exception):
    """The last state of a run, which has the weights, is missing or damaged."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.id)
        self.run = run


def export(root: Path, store: Store, ids: Collection[str], objective: Objective) -> list[Path]:
    """Write the best network, by the mean of an objective over fresh seeds, into `root` as `best.…`.

    Networks with an incomplete seed are skipped. `best.keras` has the weights of the best seed, which are taken from
    the last state of its run. It begins with the preprocessing, so that it takes images as in the data set. It also has
    the names of the classes and how images were read, for `predict`.

    Args:
        root: Folder of the search.
        store: The records of the fresh seeds.
        ids: Runs of the compared networks and their twins.
        objective: The objective, measured on validation images.

    Returns:
        The written files. The list is empty if no network completed all its seeds.

    Raises:
        StateLost: The last state of the best seed is missing. All files but `best.keras` are written.
    """
    by_trial: dict[int, list[Record]] = {}
    for record in store.records():
        if record.run.id in ids and record.run.factors["net"] == FOUND:
            by_trial.setdefault(record.run.factors["trial"], []).append(record)
    means = {
        trial: sum(objective.gain(record) for record in records) / len(records)
        for trial, records in by_trial.items()
        if all(record.status == "completed" for record in records)
    }
    if not means:
        return []
    best = max(means, key=lambda trial: means[trial])
    chosen = max(by_trial[best], key=objective.gain)
    net, train = spec_of(chosen.run.net), chosen.run.train
    about = {"trial": best, "run": chosen.run.id, "seeds": len(by_trial[best]), "network": chosen.network}
    if chosen.data:
        about |= {"class_names": list(chosen.data.class_names), "data": chosen.data.to_dict()}
    texts = {
        "json": json.dumps({**about, **_fields(net, train)}, indent=1) + "\n",
        "toml": toml(net, train),
        "py": python(net, train),
    }
    sweep(root)
    (root / "best.keras").unlink(missing_ok=True)  # it may belong to another network
    for suffix, text in texts.items():
        write_file(root / f"best.{suffix}", text)
    _keras(root / "best.keras", chosen, store)
    measure_by_class(store, by_trial[best])
    _warn_if_outdated(root, chosen.run.id)
    return [root / f"best.{suffix}" for suffix in (*texts, "keras")]


def _warn_if_outdated(root: Path, run_id: str) -> None:
    """Warn if a search's folder has exports of another run than that of `best.keras`."""
    try:
        about = json.loads((root / EXPORTS / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if about.get("run") != run_id:
        warn(f"the exports in {root / EXPORTS} are of an earlier network; repeat resnet-search export {root}")


def say_what_is_written(paths: Sequence[Path], confirmed: Path) -> None:
    """Print the files of the best network, or why there are none. `confirmed` is the folder of the fresh seeds."""
    for path in paths:
        say(str(path))
    if not paths:
        warn(
            "no network is written, since no confirmed one was completed with all its seeds; see resnet-ablate status "
            f"{confirmed}, or confirm more networks by --confirm"
        )


def toml(net: NetSpec, train: TrainSpec) -> str:
    """Return the fields that differ from their defaults as two tables of TOML."""
    tables = []
    for name, fields in _fields(net, train).items():
        tables.append(f"[{name}]\n" + "".join(f"{field} = {_toml_of(value)}\n" for field, value in fields.items()))
    return "\n".join(tables)


def python(net: NetSpec, train: TrainSpec) -> str:
    """Return a snippet that builds the network."""
    lines = ["from resnet_core import NetSpec, TrainSpec, build\n"]
    for name, spec in (("net", net), ("train", train)):
        fields = [f"    {field}={value!r},\n" for field, value in _set(spec).items()]
        lines.append(f"{name} = {type(spec).__name__}(\n{''.join(fields)})")
    return "\n".join([*lines, "model = build(net, seed=0)\n"])


def _fields(net: NetSpec, train: TrainSpec) -> dict[str, Mapping[str, Any]]:
    return {"net": json.loads(net.canonical_json()), "train": json.loads(train.canonical_json())}


def _set(spec: Spec) -> dict[str, Any]:
    """Return the fields that differ from their defaults."""
    fields = type(spec).model_fields
    return {name: getattr(spec, name) for name in fields if getattr(spec, name) != fields[name].default}


def _toml_of(value: Any) -> str:
    """Return a value as TOML. It equals JSON except for characters beyond U+FFFF and the delete character."""
    text = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return text.replace("\x7f", "\\u007f")


def _keras(path: Path, record: Record, store: Store) -> None:
    """Write the trained network, which begins with the preprocessing.

    Raises:
        StateLost: The last state of its run is missing or damaged.
    """
    from resnet_core.nets.keras_net import build

    state = store.state_of(record.run.id)
    try:
        values = variables_of(state)
    except UNREADABLE:
        raise StateLost(record.run) from None
    net = build(record.run.net, seed=0)
    net.set_weights(weights_of_state(record.run, values))
    data = job.dataset(record.run.train)
    aside = path.with_name(f"{path_aside(path.parent).name}.keras")
    try:
        with naming(path):
            with_preprocessing(net, data, "best").save(aside)
        if data.info:
            add_about(aside, data.info, record.run.train.background)
        sync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
