"""Tables as text: for the page and the terminal, as CSV, as LaTeX (booktabs) and as Markdown."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.tables import varied

NOTHING = "–"
_FORMULA = re.compile(r"[=@\t\r]|[+-](?!\d*\.?\d+(e[+-]?\d+)?$)")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "−": "$-$", "×": r"$\times$", "∞": r"$\infty$",
    "‖": r"$\|$", "∂": r"$\partial$", "₂": r"$_2$", "√": r"$\surd$",
}  # fmt: skip


def shown(table: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Return `table` without redundant columns: factors of one level, and `layers` if `depth` determines it."""
    present = [factor for factor in factors if factor in table]
    silent = [factor for factor in present if factor not in varied(table, present)]
    if {"depth", "layers"} <= set(table.columns) and (table["depth"].astype(str) == table["layers"].astype(str)).all():
        silent = [factor for factor in silent if factor != "depth"] + ["layers"]
    return table.drop(columns=silent)


def text_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` as text, with a value and its interval in one column.

    The ends of an interval are the columns `{value}_low` and `{value}_high`, or `low` and `high` right of the value.
    """
    texts = table.map(text).astype(object)
    for column, (low, high) in _ends(table).items():
        between = " [" + texts[low] + ", " + texts[high] + "]"
        texts[column] = texts[column] + between.where(table[low].notna(), "")
    return texts[columns_of(table)].rename(columns=heading)


def columns_of(table: pd.DataFrame) -> list[str]:
    """Return the columns of `text_table`: all except the ends of intervals."""
    return [str(name) for name in table if str(name) not in {end for pair in _ends(table).values() for end in pair}]


def _ends(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return, for each column with an interval, the columns of its ends."""
    columns = [str(column) for column in table]
    ends = {column: (f"{column}_low", f"{column}_high") for column in columns if f"{column}_low" in columns}
    if "low" in columns[1:]:
        ends[columns[columns.index("low") - 1]] = ("low", "high")
    return ends


def heading(column: str) -> str:
    """Return the name of a column as a page shows it."""
    return str(column).replace("_", " ")


def text(value: Any) -> str:
    """Return a cell as text: about three digits of a number, and a dash for a missing value."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA:
        return NOTHING
    if isinstance(value, float):
        if not math.isfinite(value):
            return NOTHING if math.isnan(value) else "∞" if value > 0 else "−∞"
        return _number(value).replace("-", "−")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _number(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value:.2e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 0.1 or value == 0:
        return f"{value:.3f}"
    return f"{value:.4f}" if abs(value) >= 0.001 else f"{value:.1e}"


def csv(table: pd.DataFrame) -> str:
    """Return a table as CSV: every column, with ten digits, since further digits depend on the processor."""
    return _inert(table).to_csv(index=False, lineterminator="\n", float_format="%.10g")


def whole_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV with every digit."""
    return _inert(table).to_csv(index=False, lineterminator="\n")


def _inert(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which no spreadsheet takes a text for a formula: such texts are prefixed with `'`."""
    texts = [name for name, column in table.items() if not is_numeric_dtype(column)]
    inert = table.assign(**{str(name): table[name].astype(object).map(_without_formula) for name in texts})
    return inert.rename(columns=_without_formula)


def _without_formula(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\\r")  # which would end the row
    return f"'{text}" if _FORMULA.match(value) else text


def latex(texts: pd.DataFrame, numeric: Sequence[bool], caption: str, label: str) -> str:
    r"""Return a table of text as a LaTeX `table` for the package booktabs.

    Args:
        texts: What `text_table` returns.
        numeric: Which columns contain numbers; these are aligned to the right.
        caption: Caption of the table.
        label: Label for `\ref`.
    """
    columns = "".join("r" if number else "l" for number in numeric) or "l"  # a table must have a column
    lines = [
        r"\begin{table}", rf"\caption{{{escaped(caption)}}}", rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{{columns}}}", r"\toprule",
        _latex_row(texts.columns), r"\midrule", *map(_latex_row, texts.to_numpy()),
        r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _latex_row(cells: Any) -> str:
    return " & ".join(escaped(str(cell)) for cell in cells) + r" \\"


def escaped(words: str) -> str:
    """Return text escaped for LaTeX."""
    return "".join(_LATEX.get(character, character) for character in " ".join(words.split()))


def markdown(texts: pd.DataFrame, numeric: Sequence[bool]) -> str:
    """Return a table of text as GitHub's Markdown; the arguments are those of `latex`."""
    rows = [texts.columns, ["---:" if number else "---" for number in numeric], *texts.to_numpy()]
    return "".join("| " + " | ".join(marked(str(cell)) for cell in row) + " |\n" for row in rows)


def marked(words: str) -> str:
    """Return text escaped for Markdown, in one line."""
    return re.sub(r"([\\|<>`*_])", r"\\\1", " ".join(words.split()))
