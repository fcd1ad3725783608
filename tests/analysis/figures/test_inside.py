"""Measures, the block card and the figures of what probes have measured."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import blocks
from analysis.claims import mean
from analysis.figures import inside_figures
from analysis.figures.layout import STYLES
from analysis.figures.marks import named
from analysis.measures import MEASURES, bounds, find, measured, register_measure
from analysis.of_probes import of_probe
from analysis.pages import paper, report
from analysis.study import read
from resnet_core.errors import UserError
from resnet_core.probes.requests import Item, ProbeRequest, Sample
from resnet_core.runs.records.frames import Frames
from resnet_core.runs.records.measurements import Measurement, write
from tests.analysis.synthetic import PAGE, study

ARMS = [{"skip": "A"}, {"skip": "none"}]
BLOCKS = ("stage1_block1", "stage2_block1", "stage3_block1")
LANDSCAPE = {"points": 3}


def place(index, **values):
    return {"layer": f"{BLOCKS[index]}_out", "block": BLOCKS[index], "index": index, "path": "main", **values}


def rows_of(probe, seed):
    """Return rows as the probe gives them; of the lesion, block i costs .1 (i + 1) and .01 a seed."""
    shift = 0.01 * seed
    match probe:
        case "lesion" | "reset" | "randomise":
            more = {} if probe == "lesion" else {"unit": "block"}
            return [place(i, value=0.2 + 0.1 * (i + 1) + shift, intact=0.2, **more) for i in range(3)]
        case "gradients":
            return [place(i, value=float(i + 1), probe="weight_gradient_l2") for i in range(3)]
        case "iterative":
            return [place(i, value=-0.1 * i - shift, length=0.5 / (i + 1)) for i in range(3)]
        case "signal":
            return [place(i, value=1.0 + i + shift, quantity=quantity)
                    for i in range(3) for quantity in ("variance", "branch_variance", "dead")]  # fmt: skip
        case "similarity":
            cka = {(i, j): 1.0 if i == j else 0.6 - 0.1 * abs(i - j) for i in range(3) for j in range(3)}
            return [place(i, value=value, other_layer=BLOCKS[j], other_index=j, apart=abs(i - j), null_low=-0.1,
                          null_high=0.45) for (i, j), value in cka.items()]  # fmt: skip
        case "shattering":
            return [place(i, value=0.9 - 0.1 * i * lag, lag=lag, white=0.05) for i in range(3) for lag in (1, 4)]
        case "lesions":
            return [{"value": 0.2 * count + 0.01 * draw + shift, "count": count, "draw": draw}
                    for count in (1, 2) for draw in range(3)]  # fmt: skip
        case "mine":
            return [place(i, value=0.1 * i + shift) for i in range(3)]
        case "linear_probe":
            return [{"layer": "stem_out", "block": "", "index": 0, "value": 0.3},
                    *(place(i, value=0.4 + 0.1 * i) | {"index": i + 1} for i in range(3))]  # fmt: skip
        case "landscape":
            return [{"value": 1.0 + x * x + shift, "x": x, "error": 0.1} for x in (-1.0, 0.0, 1.0)]
        case "curvature":
            return [{"value": 0.5, "quantity": "density", "eigenvalue": float(x)} for x in (0, 3 + seed)]
        case "scores":
            return [{"value": 0.9, "quantity": "top5_accuracy"}, {"value": 0.04, "quantity": "calibration_error"},
                    {"value": 0.5, "quantity": "class_accuracy", "class": 0, "count": 9},
                    {"value": 0.7, "quantity": "class_accuracy", "class": 1, "count": 9}]  # fmt: skip


PROBES = ("lesion", "reset", "gradients", "iterative", "signal", "similarity", "linear_probe", "landscape", "curvature",
          "scores", "mine", "randomise", "shattering", "lesions")  # fmt: skip


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """A study of two arms and three seeds with a measurement of every probe."""
    folder = study(tmp_path_factory.mktemp("inside"), ARMS, 3)
    for run in read(folder).plan.runs:
        for probe in PROBES:
            options = LANDSCAPE if probe == "landscape" else {}
            item = Item(run.id, ProbeRequest(probe, options), Sample())
            rows = [{"probe": probe, "layer": "", "block": "", "path": "main", "index": 0, **row}
                    for row in rows_of(probe, run.seed)]  # fmt: skip
            write(folder, Measurement(item, "measured", rows, 512, "test"))
        for step in (0, 10):
            item = Item(run.id, ProbeRequest("signal", step=step), Sample())
            rows = [place(i, value=100.0 + step, quantity="variance", probe="signal") for i in range(3)]
            write(folder, Measurement(item, "measured", rows, 512, "test"))
        skipped = Item(run.id, ProbeRequest("lesion", {"taken_out": "skip"}), Sample())
        write(folder, Measurement(skipped, "measured", [place(0, value=0.9, intact=0.2, probe="lesion")], 512, "test"))
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lesion.largest", 0.51),
        ("lesion.smallest", 0.31),
        ("lesion.first", 0.31),
        ("lesion.last", 0.51),
        ("lesion.range", 0.2),
        ("lesion.slope", 0.1),
        ("lesion[of=intact].mean", 0.2),
        ("lesion[taken_out=skip].mean", 0.9),
        ("reset[unit=block].mean", 0.41),
        ("similarity[apart!=0].mean", (4 * 0.5 + 2 * 0.4) / 6),
        ("landscape.log10_largest", np.log10(2.01)),
        ("landscape[x=0].mean", 1.01),
        ("scores[quantity=class_accuracy,class=1].mean", 0.7),
        ("lesion[block=stage2_block1].mean or test_error", 0.41),
        ("lesion[block=no_block].mean or test_error", 0.1),
        ("signal[quantity=variance].first", 1.01),
        ("signal[quantity=variance,step=10].first", 110.0),
        ("top5_accuracy", 0.9),
        ("calibration_error", 0.04),
        ("worst_class_accuracy", 0.5),
    ],
)
def test_a_measure_of_the_rows_of_a_probe(name, expected, probed):
    study_read = read(probed)
    values = measured(name, study_read.planned, study_read.frames)
    assert values.loc[values["seed"] == 1, "value"].tolist() == pytest.approx([expected] * 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lesion.mean", (0, 1)),
        ("lesions[count=2].largest", (0, 1)),
        ("linear_probe.last", (0, 1)),
        ("lesion[block=stage2_block1].mean or test_error", (0, 1)),
        ("lesions[over=count].slope", (-np.inf, np.inf)),
        ("reset[unit=block].range", (-np.inf, np.inf)),
        ("lesion[of=loss].mean", (-np.inf, np.inf)),
        ("signal.mean", (-np.inf, np.inf)),
        ("nobodys.mean", (-np.inf, np.inf)),
    ],
)
def test_the_bounds_of_a_probe_bound_its_measures(name, expected):
    assert bounds(name) == expected


def test_a_run_that_is_not_probed_has_no_value(probed):
    study_read = read(probed)
    for frames in (replace(study_read.frames, probed=None), replace(study_read.frames, probed=study_read.probed[:0])):
        assert measured("lesion.mean", study_read.planned, frames)["value"].isna().all()
    assert measured("nobodys.mean", study_read.planned, study_read.frames)["value"].isna().all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lesion.largst", "must end with a statistic, but got 'lesion.largst'; did you mean 'largest'"),
        ("lesion[unit].mean", "a condition of a measure must be COLUMN=VALUE, but got 'unit'"),
    ],
)
def test_a_measure_of_a_probe_that_is_written_wrongly(name, message):
    with pytest.raises(UserError, match=message):
        mean(name)


def test_a_measure_of_ones_own():
    @register_measure("seconds_taken", "wall time", best=0.0)
    def seconds_taken(frames):
        return frames.runs.set_index("run")["seconds"]

    try:
        assert find("seconds_taken").compute is seconds_taken
        frames = Frames(pd.DataFrame({"run": ["a"], "seconds": [2.0]}), pd.DataFrame(), pd.DataFrame())
        assert mean("seconds_taken").measure == "seconds_taken"
        assert find("seconds_taken").compute(frames)["a"] == 2.0
        with pytest.raises(UserError, match="must be new and without a dot, but got 'test_error'"):
            register_measure("test_error", "")(lambda frames: None)
    finally:
        del MEASURES["seconds_taken"]


def test_the_block_card(probed):
    study_read = read(probed)
    card = blocks.block_card(study_read.probed, study_read.runs)
    assert card["block"].tolist() == [*BLOCKS, *BLOCKS]
    first = card.iloc[:3]
    assert first["n"].tolist() == [3] * 3
    assert first["lesion"].tolist() == pytest.approx([0.11, 0.21, 0.31])
    half = 4.302652729749464 * 0.01 / np.sqrt(3)  # Student's t of two degrees of freedom
    assert (first["lesion_high"] - first["lesion"]).tolist() == pytest.approx([half] * 3)
    assert first["gradient"].tolist() == pytest.approx([1 / 14, 4 / 14, 9 / 14])
    assert first["branch"].tolist() == pytest.approx([0.5, 0.25, 0.5 / 3])
    assert first["cka"].isna().tolist() == [True, False, False]
    assert first["cka"].tolist()[1:] == pytest.approx([0.5, 0.5])
    assert first["linear"].tolist() == pytest.approx([0.1] * 3)
    assert first["parameters"].dtype == "Int64"
    assert (first["parameters"] > 0).all()


def test_networks_of_several_depths_are_never_pooled(tmp_path):
    folder = study(tmp_path / "depths", [{"depth": depth, "skip": "A"} for depth in (8, 14)], 2)
    for run in read(folder).plan.runs:
        shift = 0.0 if run.factors["depth"] == 8 else 0.5
        rows = [{"probe": "lesion", **place(i, value=0.3 + shift, intact=0.2)} for i in range(3)]
        write(folder, Measurement(Item(run.id, ProbeRequest("lesion"), Sample()), "measured", rows, 512, "test"))
    study_read = read(folder)
    card = blocks.block_card(study_read.probed, study_read.runs)
    assert card["label"].tolist() == ["depth=8"] * 3 + ["depth=14"] * 3
    assert card["n"].tolist() == [2] * 6
    assert card["lesion"].tolist() == pytest.approx([0.1] * 3 + [0.6] * 3)
    assert card["parameters"].notna().all()
    (figure,) = inside_figures.figures_of(study_read.probed, PAGE)
    assert "depth=8: " in figure.alt
    assert "depth=14: " in figure.alt


def test_the_card_of_nothing(probed):
    assert blocks.block_card(None, read(probed).runs).empty


def test_every_probe_has_its_figure_with_a_text(probed):
    figures = list(inside_figures.figures_of(read(probed).probed, PAGE))
    shapes = (
        "lesion", "reset", "randomise", "similarity", "landscape", "spectrum", "variance", "signal_over_training",
        "lesions", "linear_probe", "iterative", "shattering", "weight_gradient_l2", "mine",
    )  # fmt: skip
    assert [figure.name for figure in figures] == [f"inside_{name}" for name in shapes]
    captions = {figure.name.removeprefix("inside_"): figure.caption for figure in figures}
    for figure in figures:
        assert "skip=A" in figure.alt
        assert "n = 6 networks; 512 test images" in figure.caption
    assert "points=3" in captions["landscape"]
    assert "in minibatches of 64; normalisation by moving statistics" in captions["similarity"]
    assert "Autocorrelation of the gradient, lag 1. " in captions["shattering"]
    assert "a point is one seed, the mean of its draws" in captions["lesions"]
    assert list(inside_figures.figures_of(None, PAGE)) == []


@pytest.fixture(scope="module")
def written(probed, tmp_path_factory):
    """The text of the page of that study, and its tables."""
    page, tables = report.write(read(probed), tmp_path_factory.mktemp("written"), PAGE)
    return page.read_text(), tables


def test_points_and_lines_say_their_arm_seed_and_value(probed, written):
    """On the page, so that a click on an arm highlights it in these figures as in the others."""
    text, _ = written
    for tip in (
        "skip=A, seed 1, stage2_block1: error 0.41", "skip=A, stage2_block1: mean error 0.41",
        "skip=none, seed 0, place 1: variance 2", "skip=A, seed 2, index 1: cosine of F(x) with ∂L/∂x -0.12",
        "skip=A, place 0, step end: mean value 1.01",
    ):  # fmt: skip
        assert f'data-tip="{tip}"' in text, tip
    for figure in inside_figures.figures_of(read(probed).probed, PAGE):
        arms = {mark.arm for mark in named(figure.figure).values()}
        assert {"skip=A", "skip=none"} <= arms, figure.name


def test_values_over_training_stand_at_the_steps_they_were_taken_at(probed):
    rows = read(probed).probed
    (figure,) = inside_figures.over_training(rows[rows["probe"] == "signal"], PAGE)
    assert "Values of the probe signal, variance during training and after it (end)" in figure.caption
    ax = figure.figure.axes[0]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "10", "end"]
    assert [line.get_label() for line in ax.lines] == ["place 0", "place 1", "place 2"]
    assert ax.lines[1].get_ydata().tolist() == pytest.approx([100.0, 110.0, 2.01])  # the mean over the seeds
    assert list(inside_figures.over_training(rows[rows["probe"] == "lesion"], PAGE)) == []


def test_a_figure_shows_all_arms_on_one_scale(tmp_path):
    """Of lines there may be more than panels; a constant is not drawn as if its last digits were of interest."""
    folder = study(tmp_path / "many", [{"depth": depth, "skip": "A"} for depth in (8, 14, 20, 26, 32, 38)], 2)
    for run in read(folder).plan.runs:
        rows = [
            {"probe": "signal", **place(i, value=value, quantity=quantity)}
            for i in range(3)
            for quantity, value in (("variance", 2.0**i), ("branch_variance", 1 - 1e-6 * i))
        ]
        write(folder, Measurement(Item(run.id, ProbeRequest("signal"), Sample()), "measured", rows, 512, "test"))
    (figure,) = inside_figures.figures_of(read(folder).probed, PAGE)
    assert "of 6 arms" not in figure.caption
    between, ends = figure.figure.axes
    assert len(between.lines) == len(ends.lines) == 6
    assert between.get_ylim() == ends.get_ylim()


def test_a_paper_has_the_blocks_and_the_figures_with_their_captions(probed, tmp_path):
    study_read = read(probed)
    _, tables = report.write(study_read, tmp_path, replace(STYLES["paper"], suffixes=("svg", "pdf")))
    main = paper.write(study_read, tables, tmp_path, paper.Choice())
    text = main.read_text()
    assert r"\input{blocks}" in text
    assert r"\includegraphics[width=\linewidth]{../figures/inside_lesion.pdf}" in text
    assert r"\caption{Error with one block without its branch. Error of the network with one block" in text
    rows = (main.parent / "blocks.tex").read_text().splitlines()
    assert sum(r"stage2\_block1 & 3 & 0.210(25) & " in row for row in rows) == 2


def test_the_report_has_a_section(written):
    text, tables = written
    assert "Inside</h2>" in text
    assert "The blocks of the trained networks." in text
    assert len(tables["blocks"]) == 6


def test_a_name_that_is_no_measure_of_a_probe():
    assert of_probe("test_error") is None
