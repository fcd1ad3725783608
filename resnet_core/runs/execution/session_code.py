"""A user's code that is not in a plugin, but in a study's file, a script or a notebook, in every process with runs.

Functions at the top of a file or a script are imported there by name. Functions of a session, such as those of a
notebook's cells, are sent by value, with the hash of their code, since their source is not available elsewhere.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from resnet_core.errors import UserError, one_line
from resnet_core.nets.registry import BLOCKS, NETWORKS, code_of, code_of_network, register_network
from resnet_core.probes.registry import PROBES
from resnet_core.runs.data.named import NAMED
from resnet_core.runs.execution.plugins import Plugins
from resnet_core.users_code import PREFIX

MAIN = "__main__"
Sent = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class SessionCode:
    """Plugins and other registered code. An instance can be sent to another process, where a call registers the code.

    Attributes:
        plugins: The plugins.
        places: Modules and names of functions that build networks, at the top of files.
        content: Pickled objects that the session has registered; empty in this session.
    """

    plugins: Plugins
    places: tuple[tuple[str, str], ...] = ()
    content: bytes = b""

    def __call__(self) -> None:
        self.plugins()
        for module, name in self.places:
            register_network(getattr(_module(module), name))
        if self.content:
            import cloudpickle

            for registry, entries in cloudpickle.loads(self.content).items():
                REGISTRIES[registry].update(entries)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.content or self.places:
            return SessionCode, (self.plugins, self.places, self.content)
        return SessionCode, (self.plugins, tuple(_places()), _content())


REGISTRIES: dict[str, dict[str, Any]] = {"block": BLOCKS, "network": NETWORKS, "data set": NAMED, "probe": PROBES}


def _module(name: str) -> Any:
    """Return a user's module. If its folder was copied, the module of the copy is returned."""
    if name in sys.modules or not name.startswith(PREFIX):
        return import_module(name)
    ending = name.partition(".")[2]
    modules = {other: module for other, module in sys.modules.items() if other.startswith(PREFIX)}
    return next(module for other, module in modules.items() if other.partition(".")[2] == ending)


def _places() -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each function that builds a network, if workers can import the module."""
    for name, network in NETWORKS.items():
        module = network.build.__module__
        if network.code is None and (module != MAIN or _is_script()):
            yield module, name


def _is_script() -> bool:
    """Return whether this session is a script, which workers import as they start."""
    file = getattr(sys.modules[MAIN], "__file__", None)
    return file is not None and Path(file).is_file()


def _content() -> bytes:
    """Return the pickled objects that the session has registered; empty if there are none.

    Raises:
        UserError: An object cannot be sent.
    """
    if _is_script():
        return b""
    sent: Sent = {registry: {} for registry in REGISTRIES}
    sent["block"] = {n: replace(b, code=code_of(n)) for n, b in BLOCKS.items() if _is_of_session(b.branch)}
    sent["network"] = {n: replace(b, code=code_of_network(n)) for n, b in NETWORKS.items() if _is_of_session(b.build)}
    sent["data set"] = {name: source for name, source in NAMED.items() if _is_of_session(source[0])}
    sent["probe"] = {name: probe for name, probe in PROBES.items() if _is_of_session(probe.measure)}
    if not any(sent.values()):
        return b""
    import cloudpickle

    for registry, entries in sent.items():
        for name, value in entries.items():
            try:
                cloudpickle.dumps(value)
            except Exception as error:  # whatever an object may raise
                raise UserError(
                    f"a {registry} of a session must be sent to the workers, but '{name}' cannot be: "
                    f"{one_line(error)}; write it into a file, and name the file in plugins"
                ) from None
    return bytes(cloudpickle.dumps({registry: entries for registry, entries in sent.items() if entries}))


def _is_of_session(value: Any) -> bool:
    """Return whether a function, or the class of an object, was defined in this session."""
    return getattr(value, "__module__", None) == MAIN
