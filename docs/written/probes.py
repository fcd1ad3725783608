"""The page of the probes, from the registry: what each measures, needs, costs and returns."""

import inspect
import re
from collections.abc import Iterator

from analysis.formats import marked
from resnet_core.nets.zoo import network
from resnet_core.probes.registry import NEEDS, Probe, probes
from resnet_core.probes.requests import Size

EXAMPLE = "resnet20-cifar-A"
WHEN = {"any": "any time", "after": "after training"}
HEADS = {"Args": "Arguments", "Yields": "Rows", "Raises": "Raises"}
"""Headings of a docstring, and of the page."""
ABOUT = """A probe measures a network that is there, trained or not: any functional `keras.Model` with one input and one
output. It returns a table, and leaves the weights, the moving statistics and the random state as they are.

```python
from resnet_core import probes

rows = probes.lesion(model, images, labels)
```

`resnet-probe list` prints the table below. [Look inside a trained network](../tutorials/inside.md) shows them at work.
"""


def pages() -> dict[str, str]:
    """Return the text of the page by its path."""
    known = probes()
    size = Size.from_net(network(EXAMPLE))
    lines = ["# Probes", "", ABOUT, "| probe | what it measures | when | passes, forward and backward |"]
    lines += ["| --- | --- | --- | --- |"]
    for name, probe in known.items():
        passes = probe.passes(size)
        cells = (f"[`{name}`](#{anchor(name)})", marked(probe.about.rstrip(".")), WHEN[probe.when])
        lines.append(f"| {' | '.join(cells)} | {passes.forward:g}, {passes.backward:g} |")
    lines += ["", f"Passes are of the images through the whole network, for `{EXAMPLE}`. Inputs:", ""]
    lines += [f"- `{name}`: {about}" for name, about in NEEDS.items()]
    for probe in known.values():
        lines += ["", *section(probe)]
    return {"probes.md": "\n".join(lines)}


def anchor(name: str) -> str:
    """Return the target of links to a probe."""
    return f"probe-{name.replace('_', '-')}"


def section(probe: Probe) -> Iterator[str]:
    """Yield the lines of one probe."""
    options = [f"{name}={default!r}" for name, default in probe.options.items()]
    optional = [f"{name}=None" for name in probe.needs if name not in probe.required]
    called = ", ".join(["model", *probe.required, *optional, *options])
    yield from (
        f"({anchor(probe.name)})=",
        f"## {probe.name}",
        "",
        "```python",
        f"probes.{probe.name}({called})",
        "```",
    )
    yield from ("", *described(inspect.getdoc(probe.measure) or ""))
    if probe.best is not None and probe.worst is not None:
        yield from ("", f"`value` is {probe.best:g} at best and {probe.worst:g} at worst.")
    if not probe.half:
        yield from ("", "A network in half precision is measured on a copy that computes in float32.")


def described(docstring: str) -> Iterator[str]:
    """Yield a docstring as lines of Markdown, with its arguments as a list."""
    head = ""
    for line in docstring.splitlines():
        heading = re.fullmatch(r"(\w+):", line)
        argument = re.fullmatch(r"    (\w+): (.*)", line)
        if heading and heading[1] in HEADS:
            head = heading[1]
            yield from (f"**{HEADS[head]}**", "")
        elif head == "Args" and argument:
            yield f"- `{argument[1]}`: {literal(argument[2])}"
        else:
            yield ("  " if head == "Args" and line else "") + literal(line.strip())


def literal(line: str) -> str:
    """Return a line in which no character outside of code is a mark of Markdown."""
    parts = line.split("`")
    return "`".join(
        part if place % 2 else re.sub(r"([\\|<>*_\[\]])", r"\\\1", part) for place, part in enumerate(parts)
    )
