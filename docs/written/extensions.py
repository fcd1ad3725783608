"""The page of everything that is registered, and that a user can add to: blocks, measures, oracles, sections, …"""

import inspect
from collections.abc import Iterable, Mapping

from ablations.extensions import extensions
from analysis.formats import marked
from analysis.measures import MEASURES
from analysis.pages.study_sections import SECTIONS
from resnet_core.nets.zoo import list_networks
from resnet_core.runs.exports import FORMATS
from resnet_core.runs.recipes import RECIPES
from search.oracles import ORACLES
from search.spaces import SPACES

ABOUT = """Each of these is one function or file, and is registered in one place. A file of yours that registers more is
given by `--plugin FILE.py`; [Architecture](architecture.md) has an example of each kind. `resnet-ablate extensions`,
`resnet-search list`, `resnet-probe list` and `resnet-report list` print what is registered."""

NETWORKS = "`network(NAME)` is such a network; names of timm and of `keras.applications` work, too."


def fields(values: Mapping[str, object]) -> str:
    """Return fields with their values, as text."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def pages() -> dict[str, str]:
    """Return the text of the page by its path."""
    lines = ["# What is registered", "", ABOUT, ""]
    by_kind: dict[str, dict[str, str]] = {}
    for kind, name, value in extensions():
        by_kind.setdefault(kind, {})[name] = about(kind, name, value)
    by_kind["space of a search"] = {name: space.about for name, space in SPACES.items()}
    by_kind["oracle of a search"] = {name: oracle.about for name, oracle in ORACLES.items()}
    by_kind["recipe"] = {name: fields(own) for name, own in RECIPES.items()}
    for kind, named in by_kind.items():
        lines += [f"## {HEADINGS.get(kind, f'{kind.capitalize()}s')}", "", *table(named), ""]
    lines += ["## Published networks", "", NETWORKS, "", ", ".join(f"`{name}`" for name in list_networks())]
    return {"registered.md": "\n".join(lines)}


HEADINGS = {
    "format": "Formats of exports", "section": "Sections of a report", "study": "Studies", "space of a search":
    "Spaces of a search", "oracle of a search": "Oracles of a search",
}  # fmt: skip


def table(named: Mapping[str, str]) -> Iterable[str]:
    """Yield the lines of a table of names and what they are."""
    yield from ("| name | what it is |", "| --- | --- |")
    yield from (f"| `{name}` | {marked(words)} |" for name, words in named.items())


def about(kind: str, name: str, value: object) -> str:
    """Return what an extension is, in a sentence."""
    if kind == "measure":
        return MEASURES[name].about
    if kind == "format":
        return FORMATS[name].about
    if kind == "section":
        value = SECTIONS[name]
    if kind == "order":
        return fields(vars(value))
    if kind == "study":
        from ablations.suites import suites

        return suites()[name].question
    return (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
