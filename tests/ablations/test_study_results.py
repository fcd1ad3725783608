"""The results of a study in Python, read from a folder."""

import re
import shutil

import matplotlib as mpl
import pytest

import ablations
from ablations.study_results import OF_SEARCHES
from analysis import plots
from analysis.measures import measured
from analysis.study import read
from resnet_core.errors import UserError

mpl.use("agg")


@pytest.fixture(scope="module")
def results(tiny_study):
    return ablations.results(str(tiny_study))


@pytest.fixture(autouse=True)
def _closed():
    yield
    mpl.pyplot.close("all")


def test_every_table_has_the_factors(results, tiny_study):
    study = read(tiny_study)
    counts = {"runs": len(study.runs), "epochs": len(study.epochs), "probes": len(study.probes)}
    for name, count in counts.items():
        table = getattr(results, name)()
        assert len(table) == count
        assert {"run", "label", "depth", "skip", "seed", "layers"} <= {*table}
        first = table.iloc[-1]
        run = study.runs.set_index("run").loc[first["run"]]
        assert (first["depth"], first["skip"], first["seed"]) == (run["depth"], run["skip"], run["seed"])


def test_measures_of_runs_are_those_of_reports(results, tiny_study):
    study = read(tiny_study)
    table = results.runs().set_index("run")
    for name in ("test_error", "train_loss", "gradient_decades_at_init"):
        expected = measured(name, study.planned, study.frames).set_index("run")["value"]
        assert table[name].sort_index().tolist() == expected.sort_index().tolist()
    assert not table["failed"].any()


def test_probes_can_be_chosen(results):
    rows = results.probes("weight_gradient_l2", "main")
    assert rows["probe"].unique().tolist() == ["weight_gradient_l2"]
    assert len(rows) < len(results.probes())
    with pytest.raises(UserError, match="but got 'weight'; choose one of activation_gradient_l2, weight_gradient_l2"):
        results.probes("weight")


def test_a_table_is_of_arms_and_seeds_with_their_mean(results):
    table = results.table("test_error")
    assert [*table] == [0, 1, "n", "N", "failed", "mean", "low", "high"]
    assert table["mean"].tolist() == pytest.approx(((table[0] + table[1]) / 2).tolist())
    assert table.loc[(14, "A"), "N"].item() == 2


def test_verdicts_are_those_of_the_claims(results, tiny_study):
    assert results.verdicts()["claim"].tolist() == [claim.text for claim in read(tiny_study).claims]


@pytest.mark.parametrize("name", [name for name in plots.__all__ if name not in (*OF_SEARCHES, "words")])
def test_every_figure_is_drawn_of_what_it_takes(name, results):
    options = {} if name in ("gradient_over_training", "forest") else {"hue": "skip"}
    assert results.plot(name, **options).has_data()


@pytest.mark.parametrize("name", ["measure_by_depth", "measure_by_arm", "distribution", "measure_against_cost"])
def test_plots_take_runs_as_they_are(name, results):
    assert getattr(plots, name)(results.runs(), hue="skip", ax=mpl.pyplot.figure().subplots()).has_data()


def test_a_figure_can_be_of_some_levels(results):
    ax = results.plot("learning_curve", hue="skip", depth=8, skip=["A"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A (2 of 2)"]
    assert results.plot("gradient_by_depth", hue="skip").get_title() == "14 layers, step 0"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.network(depth=8), "a network must be of one run, but 2 have seed 0 and these levels; give skip"),
        (lambda r: r.network(depth=8, skip="A", seed=7), "but got depth=8; there are "),
        (lambda r: r.network(dept=8), "must be one of the study's, but got 'dept'; did you mean 'depth'?"),
        (
            lambda r: r.network(depth=9, skip="A"),
            "a level must be one of the study's, but got depth=9; there are 8, 14",
        ),
        (lambda r: r.network(depth=8, skip="A"), "must have been kept, but "),
        (lambda r: r.plot("gradient"), "a figure must be of analysis.plots, but got 'gradient'"),
        (lambda r: r.plot("measure_by_depth", hu="skip"), "no factor 'hu'; did you mean 'hue'?"),
        (lambda r: r.plot("measure_by_depth", hue="kip"), "no `kip`; did you mean 'skip'?"),
        (lambda r: r.plot("forest", depth=8), "no level can be chosen"),
        (lambda r: r.table("error"), "a measure must be a known one"),
        (lambda r: ablations.results("nowhere"), "a report needs the folder of a study, but nowhere does not exist"),
    ],
)
def test_what_cannot_be_is_a_user_error(call, message, results):
    with pytest.raises(UserError, match=re.escape(message)):
        call(results)


def test_a_report_is_a_path_that_a_notebook_shows_as_the_page(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "depth")
    page = ablations.results(tmp_path / "depth").report()
    assert page == tmp_path / "depth" / "report" / "report.html"
    assert page._repr_html_().startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')


def test_results_say_how_many_runs_are_there(results, tiny_study):
    assert repr(results) == f"Results('{tiny_study}'): 8 of 8 runs recorded"


@pytest.mark.parametrize("folder", [3, None, b"depth"])
def test_what_is_no_path_is_a_user_error(folder):
    with pytest.raises(UserError, match="`folder` must be str | Path, but got"):
        ablations.results(folder)
