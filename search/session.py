"""Searches from Python: `run`, and `SearchResults`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from resnet_core.arguments import Folder, checked
from resnet_core.errors import UserError, in_arguments
from resnet_core.folders import DEFAULT_OUT
from resnet_core.runs.data.given import path_of
from resnet_core.runs.description import counted
from resnet_core.runs.execution.options import BY_EXECUTION, Execution
from resnet_core.runs.execution.plugins import Plugins, load_plugins
from resnet_core.runs.execution.session_code import SessionCode
from resnet_core.runs.exports.registry import CALLS
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.settings import field_named, settable
from resnet_core.telling import said_to, surrounding
from search.limits import Limits
from search.proposals import SearchBudget
from search.space import Space
from search.spaces import DEFAULT as DEFAULT_SPACE

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from resnet_core.runs.exports.exporting import Exports

WISHES = (
    "from_", "weights", "name", "fix", "oracle", "objective", "epochs", "recipe", "start", "replicates", "prune",
    "seed",
)  # fmt: skip
"""Arguments of `search_of` that `run` passes on."""


class Best:
    """The best network of a search.

    Attributes:
        record: Record of the best trial, whose factors are the hyperparameters.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        self._folder = folder
        self.record = record

    @property
    def values(self) -> dict[str, Any]:
        """The hyperparameters of the best trial."""
        return dict(self.record.run.factors)

    @property
    def model(self) -> "keras.Model":
        """The network that is best with fresh seeds, from images as in the data set to logits.

        Raises:
            UserError: No network was confirmed.
        """
        from resnet_core.nets.keras_net import load
        from search.predict import MODEL

        path = self._folder / MODEL
        if not path.is_file():
            raise UserError(f"a network needs to be confirmed (`confirm=1` or more), but there is no {path}")
        return load(path)


class SearchResults:
    """The results in the folder of a search.

    Args:
        folder: Folder of a search.
        warnings: Warnings that were given while the search ran.

    Raises:
        UserError: `folder` is not the folder of a search.
    """

    @checked
    def __init__(self, folder: str | Path, warnings: Sequence[str] = ()) -> None:
        from search.listing import plan_of

        self.folder = Path(folder)
        self.warnings = tuple(warnings)
        plan_of(self.folder)

    @property
    def best(self) -> Best:
        """The best trial.

        Raises:
            UserError: No trial was completed.
        """
        from search.listing import ranked_in

        ranked = ranked_in(self.folder)
        if not ranked:
            raise UserError(f"a search must have a completed trial, but none in {self.folder} was")
        return Best(self.folder, ranked[0])

    def trials(self) -> "pd.DataFrame":
        """Return a row for each trial, in order of proposal: `trial`, `status`, objectives, hyperparameters, cost."""
        from analysis.pages.search_report import search_of, tables_of
        from analysis.study import read

        return tables_of(search_of(read(self.folder), self.folder))["trials"]

    @checked
    def export(
        self,
        formats: Sequence[str] | None = None,
        *,
        softmax: bool = False,
        out: Folder | None = None,
        images: int | None = None,
        calls: int = CALLS,
    ) -> "Exports":
        """Write the confirmed network as files for other programs, and compare each with the network.

        Args:
            formats: Names of formats: `keras`, `savedmodel`, `tflite`, `tflite-int8`, `onnx`. `None` means all whose
                packages are installed.
            softmax: Whether the outputs are probabilities. Otherwise they are logits.
            out: Folder of the exports. `None` means `best` in the folder of the search.
            images: Maximum number of test images on which the exports are checked. `None` means all.
            calls: Number of calls in which the latency is measured; 0 for no latency.

        Returns:
            The exports, with their `folder` and `rows`.

        Raises:
            UserError: No network was confirmed, or see `exporting.export`.
        """
        from resnet_core.runs.exports.exporting import ExportSettings
        from search.delivery import deliver
        from search.export import EXPORTS

        folder = self.folder / EXPORTS if out is None else Path(out)
        return deliver(self.folder, ExportSettings(folder, formats, softmax, images, calls))

    def report(self) -> Path:
        """Write the report of the search, and return the path of its page. A notebook shows the path as the page."""
        from ablations.study_results import ReportPath
        from analysis.pages import search_report
        from analysis.study import read

        search = search_report.search_of(read(self.folder), self.folder)
        return ReportPath(search_report.write(search, self.folder / "report")[0])

    def __repr__(self) -> str:
        return f"SearchResults('{self.folder}'): {counted(len(list(Store(self.folder).records())), 'trial')} recorded"


@in_arguments(BY_EXECUTION)
@checked
def run(
    space: Space | str | None = None,
    data: Any = None,
    trials: PositiveInt = 60,
    *,
    max_params: PositiveFloat | None = None,
    max_macs: PositiveFloat | None = None,
    max_memory: PositiveFloat | None = None,
    confirm: NonNegativeInt = 3,
    confirm_seeds: PositiveInt = 3,
    hours: PositiveFloat | None = None,
    total_epochs: PositiveInt | None = None,
    workers: int | None = None,
    out: Folder = DEFAULT_OUT,
    progress: bool = True,
    plugins: Iterable[str | Path] = (),
    execution: Execution | None = None,
    **settings: Any,
) -> SearchResults:
    """Run a search. Recorded trials are not repeated; with more trials, it continues.

    Args:
        space: A space, its name, or a Python file with a function `space`. `None` means `cifar-small`.
        data: Name, path, arrays or a data set, see `resnet_core.runs.data.given.path_of`. `None` means the digits.
        trials: Number of trials.
        max_params: Bound on trainable parameters.
        max_macs: Bound on the multiply-accumulates for an image.
        max_memory: Bound on the memory of a run in GiB, besides its images and TensorFlow itself.
        confirm: Number of networks that are trained with fresh seeds, each beside its twin without (or with) the skip.
        confirm_seeds: Number of fresh seeds.
        hours: Hours for trials and confirmation together.
        total_epochs: Number of epochs of all trials together, after which no trial starts.
        workers: Number of processes. `None` means one for each core or GPU, or this process for little work.
        out: Parent folder of the search's folder.
        progress: Whether progress is shown. Without it, nothing is printed.
        plugins: Your Python files with extensions.
        execution: Further settings of the execution.
        **settings: Fields of `NetSpec` and `TrainSpec`; and `from_`, `weights`, `name`, `fix`, `oracle`, `objective`,
            `epochs`, `recipe`, `start`, `replicates`, `prune`, `seed` of `search.asking.search_of`.

    Raises:
        UserError: The search is impossible, or no trial was completed.
    """
    from search import runner
    from search.asking import search_of

    files = load_plugins([Path(file) for file in plugins]).files
    with said_to(surrounding() if progress else "nobody") as warnings:
        wishes, fields = _parted(settings, data)
        asked = wishes.get("from_") or space or DEFAULT_SPACE
        search = search_of(
            space, fields=fields, **wishes, budget=SearchBudget(trials, total_epochs, hours and 3600 * hours),
            limits=Limits(max_params, max_macs, max_memory), out=Path(out), command=f"search.run({asked!r}, …)",
        )  # fmt: skip
        code = [Path(space)] if isinstance(space, str) and search.space.registers else []
        how = replace(execution or Execution(), setup=SessionCode(Plugins((*files, *code))))
        how = how if workers is None else replace(how, workers=workers)
        how.check()
        runner.run(search, how, best=confirm, seeds=confirm_seeds)
    return SearchResults(search.root, warnings)


def _parted(settings: Mapping[str, Any], data: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the arguments in `WISHES`, and the others as fields by kind of spec, with the data set."""
    fields = {name: value for name, value in settings.items() if name not in WISHES}
    of_data = {} if data is None else {"data": path_of(data)}
    return {name: settings[name] for name in WISHES if name in settings}, _fields({**fields, **of_data})


def _fields(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return fields by kind of spec.

    Raises:
        UserError: There is no field of a name, or a value is illegal.
    """
    fields: dict[str, dict[str, Any]] = {"net": {}, "train": {}, "probe": {}}
    for name, value in given.items():
        field = field_named(name, value)
        if field is None:
            raise UserError(
                f"an argument must be one of search.run or a field of NetSpec or TrainSpec, but got '{name}'"
                f"{Execution.instead_of(name, {*settable(), *WISHES, 'hours', 'total_epochs'})}"
            )
        kind, checked = field
        fields[kind][name] = checked
    return fields
