"""The table of `resnet-ablate list`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ablations.ahead import ahead
from ablations.asking import request_of
from ablations.study import Study
from resnet_core.runs.execution.options import Execution

if TYPE_CHECKING:
    from rich.table import Table


def table_of(studies: Mapping[str, Study]) -> "Table":
    """Return a table with a row for each study: its question, its source, and the time of each scale."""
    from rich.table import Table

    scales = list(dict.fromkeys(scale for study in studies.values() for scale in study.scales))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("study", "question", "source"):
        table.add_column(column)
    for scale in scales:
        table.add_column(scale, justify="right", no_wrap=True)
    for name, study in studies.items():
        times = [time_of(study, scale) if scale in study.scales else "" for scale in scales]
        table.add_row(name, study.question, study.source, *times)
    return table


def time_of(study: Study, scale: str) -> str:
    """Return the estimated time of a scale of a study on this machine without a GPU, such as `24 min`."""
    from resnet_core.runs.execution.display import duration

    execution = Execution()
    return duration(ahead(request_of(study, scale), execution, afresh=True).wall_time(execution))
