"""Studies from Python: `load` and `run`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ablations.asking import request_of
from ablations.files import is_file, study_in
from ablations.probes import probes_asked
from ablations.request import Request
from ablations.study import Study
from ablations.study_results import Results
from ablations.suites import suites
from resnet_core.arguments import Folder, checked
from resnet_core.errors import UserError, in_arguments, nearest
from resnet_core.folders import DEFAULT_OUT
from resnet_core.runs.data.given import path_of
from resnet_core.runs.execution.options import BY_EXECUTION, Execution
from resnet_core.runs.execution.plugins import Plugins, load_plugins
from resnet_core.runs.execution.session_code import SessionCode
from resnet_core.runs.settings import field_named, settable
from resnet_core.telling import said_to, surrounding

SEVERAL = (list, tuple, range, set, frozenset)
WISHES = ("until", "most_seeds", "recipe", "learning_rates", "trial_seeds", "trial_share", "match")
"""Arguments of `request_of` that `run` passes on."""
COUNTS = ("seeds", "most_seeds", "trial_seeds", "workers")
MOST = 9999


@checked
def load(name: str | Path) -> Study:
    """Return a study by its name, or from your Python file.

    Args:
        name: A name of `resnet-ablate list`, or the path of a file that defines `study`.

    Raises:
        UserError: There is no such study or file.
    """
    known = suites()
    if str(name) in known:
        return known[str(name)]
    if is_file(str(name)):
        return study_in(Path(name))
    raise UserError(f"a study must be known, or a Python file of yours, but got '{name}'{nearest(str(name), known)}")


@in_arguments(BY_EXECUTION)
@checked
def run(
    study: Study | str | Path,
    scale: str | None = None,
    seeds: int | None = None,
    *,
    data: Any = None,
    out: Folder = DEFAULT_OUT,
    workers: int | None = None,
    progress: bool = True,
    keep_networks: bool = False,
    probes: Sequence[str] = (),
    plugins: Iterable[str | Path] = (),
    execution: Execution | None = None,
    **settings: Any,
) -> Results:
    """Run a study. Runs that are already recorded are not repeated.

    Args:
        study: A study, its name, or your Python file.
        scale: Name of the scale. `None` means the first scale of the study.
        seeds: Number of seeds of every arm. `None` means that of the scale.
        data: Name, path, arrays or a data set; see `resnet_core.runs.data.given.path_of`. `None` means that of the
            scale.
        out: Parent folder of the study's folder.
        workers: Number of processes. `None` means one for each core or GPU, or this process for little work.
        progress: Whether progress is shown. Without it, nothing is printed.
        keep_networks: Whether trained networks are kept, for `Results.network`.
        probes: Probes for every network: `lesion`, `lesions draws=10`, at steps `signal at=0,100,end`.
        plugins: Your Python files that register blocks, data sets or probes.
        execution: Further settings of the execution: time and memory limits, loggers, a cluster.
        **settings: Levels of factors, `depth=[8, 20]`; fields of `NetSpec` and `TrainSpec`, `steps=500`; fields of
            `ProbeSpec`, `probe={"batch_size": 64}`; and `until`, `most_seeds`, `recipe`, `learning_rates`,
            `trial_seeds`, `trial_share` and `match` of `ablations.asking.request_of`.

    Returns:
        The results, with the warnings of this call. Failed runs are rows of the tables.

    Raises:
        UserError: The request is impossible. Nothing is written then.
    """
    from ablations import runner

    study = study if isinstance(study, Study) else load(study)
    study.check()
    files = load_plugins([Path(file) for file in plugins]).files
    place = None if data is None else path_of(data)
    given = {"scale": scale, "seeds": seeds, "data": place, **settings}
    request = _request(study, Path(out), {name: _plain(value) for name, value in given.items() if value is not None})
    code = [study.file] if study.file and study.registers else []
    how = replace(
        execution or Execution(),
        setup=SessionCode(Plugins((*files, *code))),
        probes=probes_asked([*study.probes, *probes]),
    )
    if workers is not None or keep_networks:
        how = replace(how, workers=_count("workers", workers), keep_networks=keep_networks)
    how.check()
    with said_to(surrounding() if progress else "nobody") as warnings:
        runner.run(request, how)
    return Results(request.root, warnings)


def _request(study: Study, out: Path, given: Mapping[str, Any]) -> Request:
    """Return the request of a call."""
    words = ", ".join([repr(study.name), *(f"{name}={value!r}" for name, value in given.items())])
    options = {name: value for name, value in given.items() if name in (*WISHES, "scale", "seeds")}
    options |= {name: _count(name, value) for name, value in options.items() if name in COUNTS}
    others = {name: value for name, value in given.items() if name not in options}
    levels, fields = _sorted(study, others)
    return request_of(study, levels=levels, fields=fields, out=out, command=f"ablations.run({words})", **options)


def _sorted(study: Study, given: Mapping[str, Any]) -> tuple[dict[str, list[Any]], dict[str, dict[str, Any]]]:
    """Return levels of factors, and fields by kind of spec.

    Raises:
        UserError: A name is neither a factor nor a field, or a value is illegal.
    """
    probe = given.get("probe", {})
    if not isinstance(probe, Mapping):
        raise UserError(
            f"`probe` must be a mapping of fields of ProbeSpec, as {{'batch_size': 64}}, but got {probe!r}; name "
            "probes of trained networks in `probes`"
        )
    levels: dict[str, list[Any]] = {}
    fields: dict[str, dict[str, Any]] = {"net": {}, "train": {}, "probe": dict(probe)}
    for name, value in given.items():
        if name in study.factors:
            several = value if isinstance(value, SEVERAL) else [value]
            levels[name] = [study.parse_level(name, _plain(level)) for level in several]
            continue
        field = field_named(name, value)
        if field is not None:
            kind, checked = field
            fields[kind][name] = checked
        elif name != "probe":
            raise UserError(
                f"an argument must be a factor of the study or a field of NetSpec or TrainSpec, but got '{name}'"
                f"{Execution.instead_of(name, {*study.factors, *WISHES, *settable()})}"
            )
    return levels, fields


def _plain(value: Any) -> Any:
    """Return a NumPy number or array as Python's, and a path as text."""
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _count(name: str, value: Any) -> int | None:
    """Return an argument as an integer, or `None`.

    Raises:
        UserError: The value is not a whole number from 1 to `MOST`.
    """
    value = _plain(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST):
        raise UserError(f"`{name}` must be a whole number from 1 to {MOST}, but got {value!r}")
    return value
