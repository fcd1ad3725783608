"""Ablation studies: arms, seeds and claims; `run` them, and the program that does.

pandas and TensorFlow are loaded when a function that needs them is called.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ablations.designs import grid, leave_out, one_at_a_time, paired, pairwise
from ablations.study import Published, Scale, Study
from analysis.claims import mean, rate

if TYPE_CHECKING:
    from ablations.session import load, run
    from ablations.study_results import Results, results
    from analysis.judging.run_table import column, judge
    from resnet_core.runs.execution.options import Execution

__all__ = [
    "Execution", "Published", "Results", "Scale", "Study", "column", "grid", "judge", "leave_out", "load", "mean",
    "one_at_a_time", "paired", "pairwise", "rate", "results", "run",
]  # fmt: skip


LOADED_WHEN_USED = {
    "Execution": "resnet_core.runs.execution.options", "Results": "ablations.study_results",
    "column": "analysis.judging.run_table", "judge": "analysis.judging.run_table", "load": "ablations.session",
    "results": "ablations.study_results", "run": "ablations.session",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in LOADED_WHEN_USED:
        return getattr(import_module(LOADED_WHEN_USED[name]), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
