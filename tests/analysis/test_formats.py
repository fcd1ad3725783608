import numpy as np
import pandas as pd
import pytest

from analysis import formats
from analysis.pages import captions

TABLE = pd.DataFrame({
    "arm": ["skip_none & 5%", "b|c"], "n": [3, 12345], "mean": [0.5, np.nan], "mean_low": [-0.25, np.nan],
    "mean_high": [0.75, np.nan],
})  # fmt: skip


def test_a_value_and_its_interval_are_one_column():
    assert formats.text_table(TABLE).to_numpy().tolist() == [
        ["skip_none & 5%", "3", "0.500 [−0.250, 0.750]"],
        ["b|c", "12,345", "–"],
    ]
    plain = formats.text_table(pd.DataFrame({"effect": [1.0], "low": [0.5], "high": [2e7]}))
    assert plain.to_dict("list") == {"effect": ["1.000 [0.500, 2.00e+07]"]}


def test_markdown_and_latex():
    texts = formats.text_table(TABLE)
    assert formats.markdown(texts, [False, True, True]).splitlines() == [
        "| arm | n | mean |", "| --- | ---: | ---: |",
        r"| skip\_none & 5% | 3 | 0.500 [−0.250, 0.750] |", r"| b\|c | 12,345 | – |",
    ]  # fmt: skip
    latex = formats.latex(texts, [False, True, True], "Of 5 %.", "arms").splitlines()
    assert latex[1:5] == [r"\caption{Of 5 \%.}", r"\label{tab:arms}", r"\begin{tabular}{lrr}", r"\toprule"]
    assert latex[5:8] == [r"arm & n & mean \\", r"\midrule", r"skip\_none \& 5\% & 3 & 0.500 [$-$0.250, 0.750] \\"]


def test_what_says_nothing_is_left_out():
    table = pd.DataFrame({"depth": [8, 20], "skip": ["A", "A"], "layers": [8, 20], "n": [3, 3]})
    assert list(formats.shown(table, ["depth", "skip"])) == ["depth", "n"]


@pytest.mark.parametrize(
    ("failures", "shown"),
    [
        (["depth=8 0 of 5 (0 to 52 %)", "skip=A 0 of 4 (0 to 60 %)"], "none of 9"),
        (["skip=none 5 of 5 (48 to 100 %)", "skip=A 0 of 5 (0 to 52 %)"], None),
        (["a=10 of 3 0 of 0", "b 0 of 2 (0 to 84 %)"], "none of 2"),
        ([""], ""),
    ],
)
def test_failures_are_short_where_there_are_none(failures, shown):
    words = ", ".join(failures)
    assert captions.failures_shown(words) == (words if shown is None else shown)


def test_a_latex_table_without_columns_has_one_for_latex():
    latex = formats.latex(pd.DataFrame(), [], "Nothing.", "nothing").splitlines()
    assert latex[3] == r"\begin{tabular}{l}"
