"""A search of 30 trials: this project with two workers in both forms, and KerasTuner over the same model function."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRIALS, EPOCHS, BATCH = 30, 5, 64
ABOUT = f"""## A search of {TRIALS} trials

Wall time of {TRIALS} random trials of the space `tiny` on 8×8 digits, {EPOCHS} epochs each, batches of {BATCH}, from
the start of the program to its end: `resnet-search` with two workers, networks in their own form or in the form that
`form=auto` takes, and KerasTuner's `RandomSearch` over `search.HyperModel("tiny")`, in one process with all cores.
"""


def sides() -> Iterator[tuple[str, float]]:
    """Yield the sides and their seconds."""
    with tempfile.TemporaryDirectory() as folder:
        search = [
            sys.executable, "-m", "search", "run", "--space", "tiny", "--oracle", "random", "--data", "digits",
            f"--trials={TRIALS}", f"--epochs={EPOCHS}", f"--set=batch_size={BATCH}", "--confirm=0",
            "--executor=processes", "--workers=2", f"--out={folder}",
        ]  # fmt: skip
        commands = {form: [*search, f"--set=form={form}", f"--name={form}"] for form in ("auto", "own")}
        commands["KerasTuner"] = [sys.executable, "-m", "benchmarks.tuner", folder]
        for side, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            yield side, time.perf_counter() - started


def table(rows: list[tuple[str, float]]) -> str:
    """Return the rows as a table in Markdown."""
    seconds = dict(rows)
    lines = ["| side | seconds | KerasTuner / side |", "|---|---|---|"]
    lines += [f"| {side} | {each:.0f} | {seconds['KerasTuner'] / each:.2f} |" for side, each in rows]
    return "\n".join(lines)


def theirs(folder: str) -> None:
    """Search by KerasTuner, as its users do."""
    import keras_tuner

    from resnet_core.runs.data import open_source
    from search import HyperModel

    images = open_source("digits").images
    tuner = keras_tuner.RandomSearch(
        HyperModel("tiny", input_shape=(8, 8, 1), classes=10), "val_accuracy", TRIALS, seed=0, directory=folder
    )
    tuner.search(
        images.x_train[..., None] / 16, images.y_train, BATCH, EPOCHS, verbose=0,
        validation_data=(images.x_test[..., None] / 16, images.y_test),
    )  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 1:
        theirs(sys.argv[1])
    else:
        rows = []
        for row in sides():
            rows.append(row)
            print(row, flush=True)
        print(table(rows))
