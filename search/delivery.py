"""`resnet-search export`: exports of the confirmed network of a search, with a model card."""

import json
from collections.abc import Iterator
from pathlib import Path

from analysis import classes, formats
from analysis.judging.verdicts import verdicts
from analysis.study import read
from resnet_core.errors import UserError
from resnet_core.runs.execution import job
from resnet_core.runs.exports.card import CardSection, table, words
from resnet_core.runs.exports.exporting import Exports, ExportSettings, export
from resnet_core.runs.exports.trained import Trained
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.runtime import available_cores, configure
from resnet_core.runs.spec import TrainSpec
from search.confirm import FOLDER as CONFIRM
from search.listing import CONFIRMED_COLUMNS, confirmed_rows, plan_of
from search.predict import MODEL


def deliver(root: Path, wishes: ExportSettings) -> Exports:
    """Export the network of a search that is the best with fresh seeds.

    Args:
        root: Folder of the search.
        wishes: Settings of the export.

    Raises:
        UserError: No network was confirmed, the data have changed, or see `exporting.export`.
    """
    plan = plan_of(root)
    wishes.check()
    record = _chosen(root)
    configure(threads=available_cores())
    from resnet_core.nets.keras_net import load

    data = job.dataset(record.run.train, job.resident("auto"))
    trained = Trained(load(root / MODEL), record, data)
    return export(trained, wishes, f"The best network of {plan.name}", list(_sections(root, plan, record)))


def _chosen(root: Path) -> Record:
    """Return the record of the run whose weights are in `best.keras`.

    Raises:
        UserError: No network was confirmed.
    """
    path = root / "best.json"
    try:
        run_id = json.loads(path.read_text(encoding="utf-8"))["run"]
    except (OSError, ValueError, KeyError, TypeError):
        run_id = ""
    records = Store(root / CONFIRM).records() if run_id and (root / MODEL).is_file() else ()
    for record in records:
        if record.run.id == run_id:
            return record
    raise UserError(
        f"an export needs a confirmed network, with its {MODEL}, its best.json that names its run, and its record, but "
        f"{root} has none; give the command of the search again, with --confirm 1 or more"
    )


def _sections(root: Path, plan: Plan, record: Record) -> Iterator[CardSection]:
    yield "Search", "\n".join(
        [
            f"- {words(plan.question)}",
            f"- Bounds: {words(str(plan.base['limits'])) or 'none'}.",
            f"- Trials: {len(plan.runs)}, proposed by the oracle {words(str(plan.base['oracle']))} from the space "
            f"{words(str(plan.base['space']))}; this is trial {record.run.factors['trial']}.",
            *_start(record.run.train),
        ]
    )  # fmt: skip
    results = record.results
    yield "Accuracy", "\n\n".join(
        [
            f"Test accuracy of these weights: {results['test_accuracy']:.4f}; validation accuracy: "
            f"{results['val_accuracy']:.4f}. They are those of seed {record.run.seed}, the best of its seeds on the "
            "validation images. The means over the fresh seeds, with their 95 % intervals, say more of the network; "
            + (
                "`twin` is the same network, trained alike from drawn weights:"
                if record.run.train.initial_weights
                else "`twin` is the same network without its skip, or with one, trained alike:"
            ),
            table(CONFIRMED_COLUMNS, confirmed_rows(root / CONFIRM)),
            *_verdicts(root / CONFIRM),
        ]
    )  # fmt: skip
    study = read(root / CONFIRM)
    recall = classes.tables_of(study.probed, study.plan.data.class_names if study.plan.data else ()).get(classes.RECALL)
    if recall is not None:
        columns = ("class", "images", "n", "recall", "precision", "f1")
        cells = [[formats.text(row[name]) for name in columns] for row in recall.to_dict("records")]
        yield "Classes", "\n\n".join(["On the test images, the mean over n fresh seeds:", table(columns, cells)])


def _start(train: TrainSpec) -> Iterator[str]:
    """Yield the line on the weights from which the training started, if it started from published ones."""
    if train.initial_weights:
        yield (
            f"- Initial weights: {words(Path(train.initial_weights).name)}, SHA-256 `{train.initial_weights_sha256}`; "
            f"frozen stages: {train.frozen_stages}."
        )


def _verdicts(root: Path) -> Iterator[str]:
    study = read(root)
    judged = verdicts(study.claims, study.planned, study.frames, study.looks)
    lines = [f"- {words(str(row['claim']))}: {row['verdict']}." for row in judged.to_dict("records")]
    if lines:
        yield "\n".join(lines)
