"""A study that is defined in the cells of a notebook, in a real kernel."""

import os

import pytest

pytest.importorskip("ipykernel")
manager = pytest.importorskip("jupyter_client.manager")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the client, in this process

DEFINE = """
from functools import partial
import keras
from keras import layers
import ablations
from ablations import Scale, Study, grid, mean
from resnet_core import TrainSpec

def tiny(input_shape, classes, skip):
    images = keras.Input(input_shape)
    x = layers.Conv2D(2, 3, padding="same", name="first")(images)
    y = layers.Conv2D(2, 3, padding="same", name="second")(x)
    y = layers.Add(name="join")([x, y]) if skip else y
    return keras.Model(images, layers.Dense(classes, name="exit")(layers.GlobalAveragePooling2D()(y)))

def net(skip: bool):
    return partial(tiny, skip=skip)

train = TrainSpec(steps=20, batch_size=32, train_size=200)
claims = {"it helps": mean("train_loss", skip=True) < mean("train_loss", skip=False)}
study = Study("cell", "?", net, {"smoke": Scale(grid(skip=[True, False]), train, 1, claims=claims)})
"""
RUN = "results = ablations.run(study, workers=2, out='out'); len(results.runs())"


@pytest.fixture
def cell(tmp_path):
    """Execute a cell; return what it shows, by kind of message."""
    ours = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # a program that ran here set it
    kernel, client = manager.start_new_kernel(cwd=str(tmp_path), env=ours)

    def execute(code):
        shown = []
        client.execute_interactive(code, output_hook=lambda message: shown.append(message), timeout=500)
        kinds = {}
        for message in shown:
            kinds.setdefault(message["msg_type"], []).append(message["content"])
        assert "error" not in kinds, "\n".join(kinds["error"][0]["traceback"])
        return kinds

    yield execute
    client.stop_channels()
    kernel.shutdown_kernel(now=True)


def test_a_study_of_cells_runs_in_workers_and_shows_its_results(cell):
    cell(DEFINE)
    shown = cell(RUN)
    assert shown["execute_result"][0]["data"]["text/plain"] == "2"
    assert len(shown["display_data"]) == 1  # one text, which is replaced
    assert sum(stream["text"].count("\n") for stream in shown.get("stream", [])) <= 10
    assert "text/html" in cell("results.verdicts()")["execute_result"][0]["data"]
    assert "<iframe" in cell("results.report()")["execute_result"][0]["data"]["text/html"]
    figures = cell("results.plot('gradient_by_depth', hue='skip');")["display_data"]
    assert "image/png" in figures[0]["data"]
    cell(DEFINE.replace("Conv2D(2, 3", "Conv2D(3, 3"))
    assert cell(RUN)["execute_result"][0]["data"]["text/plain"] == "2"
    wider = cell("bool(results.runs()['parameters'].iloc[0] > 130)")
    assert wider["execute_result"][0]["data"]["text/plain"] == "True"
