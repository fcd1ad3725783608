import numpy as np
import pandas as pd

from analysis import formats

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
