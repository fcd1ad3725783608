"""The reference of functions and classes, from their docstrings."""

import inspect
from importlib import import_module

REFERENCE = {
    "Studies": ("ablations", "`run` a study, open its `results`, or write one of your own.", (
        ("ablations", (
            "load", "run", "results", "Results", "Study", "Scale", "Published", "Execution", "judge", "column",
        )),
        ("analysis.claims", ("mean", "rate", "Contrast", "Claim")),
        ("ablations.designs", ("Design", "grid", "one_at_a_time", "leave_out", "pairwise", "paired")),
    )),
    "Networks and training": ("resnet_core", "A network is data; `build` makes a `keras.Model` of it.", (
        ("resnet_core", (
            "NetSpec", "cifar", "network", "list_networks", "cost", "build", "load", "load_weights", "from_hub",
            "TrainSpec", "ProbeSpec", "Run", "recipe", "train", "UserError",
        )),
        ("resnet_core.runs.records.record", ("Record", "Outcome")),
        ("resnet_core.runs.records.store", ("Store",)),
        ("resnet_core.runs.data.given", ("path_of",)),
    )),
    "Looking inside": ("probes", "Probes have [a page of their own](../probes.md).", (
        ("resnet_core.probes", ("GradientsByDepth", "without_branch", "without_skip", "in_order")),
        ("resnet_core.probes.registry", ("Probe", "Passes", "row", "whole")),
    )),
    "Searching": ("search", "`run` a search, or take its spaces and oracles to a tuner of your own.", (
        ("search", ("run", "SearchResults", "Space", "Limits", "HyperModel", "oracle")),
    )),
    "Figures": ("plots", "Functions as seaborn's: a tidy table first, its columns by name, an `Axes` out.", (
        ("analysis.plots", (
            "measure_by_depth", "measure_by_arm", "forest", "distribution", "measure_against_cost", "learning_curve",
            "gradient_by_depth", "gradient_over_training", "best_so_far", "pareto_front", "parallel_coordinates",
            "words",
        )),
    )),
    "Extending": ("register", "Each kind of extension has one function that registers it.", (
        ("resnet_core", ("register_block", "register_source")),
        ("resnet_core.probes.registry", ("register_probe",)),
        ("analysis.measures", ("register_measure",)),
        ("analysis.pages.study_sections", ("register_section",)),
        ("resnet_core.runs.execution.base", ("register_executor",)),
        ("resnet_core.runs.execution.loggers", ("register_logger",)),
        ("resnet_core.runs.exports", ("register_format",)),
        ("search.oracles", ("register_oracle",)),
    )),
}  # fmt: skip
"""Of each page its title, name, what it is about, and the names by module."""


def pages() -> dict[str, str]:
    """Return the text of every page by its path."""
    written = {f"api/{name}.md": page(title, about, modules) for title, (name, about, modules) in REFERENCE.items()}
    names = [name for name, *_ in REFERENCE.values()]
    listed = "\n".join(["```{toctree}", ":maxdepth: 2", "", *names, "```"])
    about = "Everything that the programs do can be called. Functions return values and raise `UserError`; none exits."
    return {**written, "api/index.md": f"# Python interface\n\n{about}\n\n{listed}"}


def page(title: str, about: str, modules: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """Return the page of some modules' names."""
    lines = [f"# {title}", "", about, ""]
    for module, names in modules:
        lines += [f"## {module}", "", "```{eval-rst}"]
        for name in names:
            is_class = inspect.isclass(getattr(import_module(module), name))
            lines += [f".. auto{'class' if is_class else 'function'}:: {module}.{name}"]
            lines += ["   :members:", ""] if is_class else [""]
        lines += ["```", ""]
    return "\n".join(lines)
