"""`Results`: tables, verdicts, figures, networks and the report of a study, in Python."""

import html
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_core.arguments import Folder, checked
from resnet_core.errors import UserError, nearest
from resnet_core.runs.exports.registry import CALLS
from resnet_core.runs.records.store import Store

if TYPE_CHECKING:
    import keras
    import pandas as pd
    from matplotlib.axes import Axes

    from analysis.study import StudyRecords
    from resnet_core.runs.exports.exporting import Exports

OF_PROBES = ("gradient_by_depth", "gradient_over_training")
OF_EPOCHS = ("learning_curve",)
OF_SEARCHES = ("best_so_far", "parallel_coordinates", "pareto_front")


class ReportPath(type(Path())):  # type: ignore[misc]
    """Path of a report, which a notebook shows as the page itself."""

    def _repr_html_(self) -> str:
        page = html.escape(self.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width:100%;height:40em;border:0"></iframe>'


class Results:
    """The results in a study's folder. Every call reads the folder again.

    Args:
        folder: Folder of a study.
        warnings: Warnings that were given while the study ran.

    Attributes:
        folder: The folder.
        warnings: See above.

    Raises:
        UserError: `folder` is not the folder of a study.
    """

    @checked
    def __init__(self, folder: str | Path, warnings: Sequence[str] = ()) -> None:
        self.folder = Path(folder)
        self.warnings = tuple(warnings)
        self._study  # noqa: B018 - says what is wrong with the folder

    @property
    def _study(self) -> "StudyRecords":
        from analysis.study import read

        return read(self.folder)

    def runs(self) -> "pd.DataFrame":
        """Return a row for each recorded run: factors, `seed`, `status`, measures, cost (`analysis.tidy.runs_of`)."""
        from analysis.tidy import runs_of

        return runs_of(self._study)

    def epochs(self) -> "pd.DataFrame":
        """Return a row for each epoch of each run, with the factors: `step`, `loss`, `accuracy`, `val_loss`, …"""
        from analysis.tidy import epochs_of

        return epochs_of(self._study)

    @checked
    def probes(self, probe: str | None = None, path: str | None = None) -> "pd.DataFrame":
        """Return a row for each value measured in training, with the factors: the `value` of a `layer` at a `step`.

        Args:
            probe: `weight_gradient_l2`, … `None` takes all.
            path: `main` or `skip`. `None` takes both.

        Raises:
            UserError: There is no such probe.
        """
        from analysis.tidy import probes_of

        return probes_of(self._study, probe, path)

    def verdicts(self) -> "pd.DataFrame":
        """Return the table of `analysis.judging.verdicts.verdicts`: a row for each claim."""
        from analysis.judging.verdicts import verdicts

        study = self._study
        return verdicts(study.claims, study.planned, study.frames, study.looks)

    @checked
    def table(self, measure: str = "test_error") -> "pd.DataFrame":
        """Return a measure by arm and seed, with the mean of each arm; see `analysis.tidy.table_of`.

        Raises:
            UserError: There is no such measure.
        """
        from analysis.tidy import table_of

        return table_of(self._study, measure)

    @checked
    def plot(self, name: str, *, ax: "Axes | None" = None, step: int = 0, **options: Any) -> "Axes":
        """Draw a figure of `analysis.plots`.

        Args:
            name: Name of the function, such as `measure_by_depth` or `gradient_by_depth`. Figures of gradients show
                those of the weights on the main path, of the deepest networks, which the title names.
            ax: Axes to draw on. `None` makes new axes.
            step: Step of `gradient_by_depth`.
            **options: Levels of factors, `depth=20` or `depth=[8, 20]`, to which the figure is restricted; and
                arguments of the function, such as `hue="skip"`.

        Raises:
            UserError: There is no such figure, factor or level.
        """
        from matplotlib import pyplot as plt

        from analysis import plots
        from analysis.tidy import at

        known = [word for word in plots.__all__ if word not in OF_SEARCHES and word != "words"]
        if name not in known:
            raise UserError(f"a figure must be of analysis.plots, but got '{name}'{nearest(name, known)}")
        draw, study = getattr(plots, name), self._study
        levels = {word: options.pop(word) for word in [*options] if word in study.factors}
        takes = [word for word in inspect.signature(draw).parameters if word not in ("data", "kwargs")]
        unknown = [word for word in options if word not in takes and word != "color"]
        if unknown:
            near = nearest(unknown[0], [*takes, *study.factors])
            raise UserError(f"{name} has no argument, and the study no factor '{unknown[0]}'{near}")
        rows, title = self._rows(study, name, step)
        ax = plt.subplots(layout="constrained")[1] if ax is None else ax
        if levels and name == "forest":
            raise UserError("effects compare the levels of factors, so no level can be chosen; leave it out")
        drawn: Axes = draw(at(rows, levels, study.factors), ax=ax, **options)
        if title:
            drawn.set_title(title)
        return drawn

    def _rows(self, study: "StudyRecords", name: str, step: int) -> "tuple[pd.DataFrame, str]":
        """Return the rows that a figure draws, and its title."""
        from analysis import tidy

        if name in OF_EPOCHS:
            return tidy.epochs_of(study), ""
        if name == "forest":
            return tidy.effects_of(study), "test_error"
        if name not in OF_PROBES:
            return tidy.runs_of(study), ""
        rows = tidy.probes_of(study, tidy.WEIGHTS, "main")
        deepest = rows["layers"].max()
        rows, title = rows[rows["layers"] == deepest], f"{deepest:g} layers"
        return (rows[rows["step"] == step], f"{title}, step {step}") if name == "gradient_by_depth" else (rows, title)

    @checked
    def network(self, seed: int = 0, **levels: Any) -> "keras.Model":
        """Return a trained network, if networks were kept (`keep_networks=True`).

        Args:
            seed: Seed of the run.
            **levels: Level of each factor that has several.

        Raises:
            UserError: No run or several runs have these levels, or the network was not kept.
        """
        return Store(self.folder).network(self._run_of(seed, levels))

    @checked
    def export(
        self,
        out: Folder,
        seed: int = 0,
        formats: Sequence[str] | None = None,
        *,
        softmax: bool = False,
        calls: int = CALLS,
        **levels: Any,
    ) -> "Exports":
        """Write a trained network as files for other programs, and compare each with the network.

        Args:
            out: Folder of the exports, which is new or that of an earlier export.
            seed: Seed of the run.
            formats: Names of formats: `keras`, `savedmodel`, `tflite`, `tflite-int8`, `onnx`. `None` means all whose
                packages are installed.
            softmax: Whether the outputs are probabilities. Otherwise they are logits.
            calls: Number of calls in which the latency is measured; 0 for no latency.
            **levels: Level of each factor that has several.

        Raises:
            UserError: See `network` and `resnet_core.runs.exports.exporting.export`.
        """
        from resnet_core.runs.execution.job import dataset, resident
        from resnet_core.runs.exports.exporting import ExportSettings, export
        from resnet_core.runs.exports.trained import Trained, with_preprocessing

        wishes, store = ExportSettings(Path(out), formats, softmax, None, calls), Store(self.folder)
        wishes.check()
        run_id = self._run_of(seed, levels)
        model = store.network(run_id)
        record = next(record for record in store.records() if record.run.id == run_id)
        data = dataset(record.run.train, resident("auto"))
        trained = Trained(with_preprocessing(model, data, "trained"), record, data)
        return export(trained, wishes, f"A trained network of {self.folder.name}: {record.run.label}")

    def _run_of(self, seed: int, levels: dict[str, Any]) -> str:
        """Return the id of the planned run with a seed and these levels.

        Raises:
            UserError: No run or several runs have these levels.
        """
        from analysis.tidy import at

        study = self._study
        rows = at(study.planned[study.planned["seed"] == seed], levels, study.factors)
        if len(rows) != 1:
            open_ = [name for name in study.factors if name not in levels and rows[name].nunique() > 1]
            advice = f"give {' and '.join(open_)}" if open_ else f"there are seeds {_seeds(study)}"
            raise UserError(
                f"a network must be of one run, but {len(rows)} have seed {seed} and these levels; {advice}"
            )
        return str(rows["run"].iloc[0])

    def report(self) -> Path:
        """Write the report of the study, and return the path of its page. A notebook shows the path as the page."""
        from analysis.pages import report

        return ReportPath(report.write(self._study, self.folder / "report")[0])

    def __repr__(self) -> str:
        study = self._study
        return f"Results('{self.folder}'): {len(study.runs)} of {len(study.planned)} runs recorded"


def _seeds(study: "StudyRecords") -> str:
    return ", ".join(map(str, sorted(study.planned["seed"].unique())))


@checked
def results(folder: str | Path) -> Results:
    """Return the results in the folder of a study.

    Raises:
        UserError: `folder` is not the folder of a study.
    """
    return Results(folder)
