"""A user's own Python files: plugins, studies and spaces, loaded so that each sees the modules of its own folder.

The modules of a folder are loaded into a package of their own, so `import blocks` in a user's file finds `blocks.py`
beside it, at any time and in any process, and two folders with equally named modules are not mixed. `sys.path` stays
as it is: a user's `random.py` or `search.py` is found by the user's files alone.
"""

import builtins
import linecache
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import invalidate_caches
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from importlib.util import decode_source, module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from platformdirs import user_cache_path

from resnet_core.errors import UserError
from resnet_core.spec_model import digest
from resnet_core.surroundings import set_variables

PREFIX = "_users_folder_"
"""Prefix of the names of the packages that users' folders are loaded as."""
_loaded: dict[str, dict[Path, str]] = {}  # by package: the loaded files and their texts


def load(file: Path, kind: str) -> ModuleType:
    """Execute a user's file, and the modules of its folder that it imports, and return it as a module.

    Args:
        file: A Python file.
        kind: What the file is, for error messages: plugin, study, space.

    Raises:
        UserError: It cannot be read, or raises an error; the file and line are named.
    """
    path = file.absolute()
    if path.suffix != ".py":
        raise UserError(f"a {kind} must be a Python file, with a name that ends in .py, but got {file}")
    try:
        path.read_bytes()
    except OSError as error:
        raise UserError(f"a {kind} must be a readable Python file, but {file} is not: {error.strerror}") from None
    set_variables()  # the file may load TensorFlow
    package = _package(path.parent)
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        del sys.modules[name]
    with guarded(f"a {kind} must load", file):
        invalidate_caches()
        name = f"{package}.{path.stem}"
        spec = spec_from_file_location(name, path, loader=_Loader(name, str(path)))
        assert spec
        assert spec.loader
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return module


@contextmanager
def guarded(rule: str, file: Path | None = None) -> Iterator[None]:
    """Context manager that turns an exception of a user's code, `sys.exit` too, into a `UserError` with file and line.

    Args:
        rule: What the code must do, for the message.
        file: The file of the code, if known.
    """
    try:
        yield
    except UserError as error:
        line = error.line or (_place(error, file)[1] if file else None)
        if file is None or str(file) in str(error):
            raise
        raise UserError(f"{file}, line {line}: {error}" if line else f"{file}: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a user's code may raise
        place, line = _place(error, file)
        where = f"{place}, line {line}," if line else str(place or "it")
        raise UserError(f"{rule}, but {where} raises {_shown_error(error)}") from None


def _shown_error(error: BaseException) -> str:
    """Return the `repr` of an error, without the bold type that Keras asks a terminal for, or the name of its class if
    that fails.
    """
    try:
        return re.sub(r"\\x1b\[\d*m", "", repr(error))
    except Exception:  # the class may be the user's own
        return type(error).__name__


def _place(error: BaseException, file: Path | None) -> tuple[Path | None, int | None]:
    """Return the innermost of the user's files in the traceback of an error, and the line in it."""
    if isinstance(error, SyntaxError) and error.filename:
        return _shown(Path(error.filename), file), error.lineno
    place, line, trace = file, None, error.__traceback__
    while trace:
        name, of_code = str(trace.tb_frame.f_globals.get("__name__", "")), Path(trace.tb_frame.f_code.co_filename)
        if name.startswith(PREFIX) or of_code == file:
            place, line = _shown(of_code, file), trace.tb_lineno
        trace = trace.tb_next
    return place, line


def _shown(place: Path, file: Path | None) -> Path:
    """Return a path as the user would write it: beginning with the folder of `file`, if `place` is in it."""
    if file is None:
        return place
    absolute = file.absolute()
    if place == absolute:
        return file
    return file.parent / place.relative_to(absolute.parent) if place.is_relative_to(absolute.parent) else place


def sources(files: list[Path]) -> dict[Path, str]:
    """Return the texts of loaded files and of the modules of their folders that they import, as they were loaded."""
    packages = dict.fromkeys(_package(file.absolute().parent) for file in files)
    return {path: text for package in packages for path, text in _loaded.get(package, {}).items()}


def load_as_they_were(files: list[Path], texts: Mapping[Path, str], kind: str) -> None:
    """Load files with the texts that they had in another process. For a changed or missing file, a copy is loaded.

    Args:
        files: The files.
        texts: The texts of these files and of the modules beside them.
        kind: See `load`.
    """
    for file in files:
        folder = file.absolute().parent
        in_folder = {path: text for path, text in texts.items() if path.is_relative_to(folder)}
        same = all(_has_text(path, text) for path, text in in_folder.items())
        load(file if same else _copied(folder, in_folder) / file.name, kind)


def _copied(folder: Path, texts: Mapping[Path, str]) -> Path:
    """Return a cache folder with copies of these files, since TensorFlow reads source files when it compiles."""
    names = {str(path.relative_to(folder)): text for path, text in sorted(texts.items())}
    place = user_cache_path("resnet-ablation") / "plugins" / digest(*(word for pair in names.items() for word in pair))
    for name, text in names.items():
        copy = place / name
        if not _has_text(copy, text):
            copy.parent.mkdir(parents=True, exist_ok=True)
            aside = copy.with_name(f".writing-{uuid.uuid4().hex}")
            aside.write_text(text, encoding="utf-8")
            aside.replace(copy)
    return place


def _has_text(file: Path, text: str) -> bool:
    try:
        return str(decode_source(file.read_bytes())) == text
    except (OSError, SyntaxError, UnicodeDecodeError):
        return False


def _package(folder: Path) -> str:
    """Return the name of the package for a folder; it is created if needed."""
    name = PREFIX + digest(str(folder))
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name


class _Finder(MetaPathFinder):
    """Finds the modules of users' folders."""

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not fullname.startswith(PREFIX) or not path:
            return None
        kinds = ((_Loader, SOURCE_SUFFIXES), (ExtensionFileLoader, EXTENSION_SUFFIXES))
        specs = (FileFinder(entry, *kinds).find_spec(fullname) for entry in path)
        return next((spec for spec in specs if spec), None)


class _Loader(SourceFileLoader):
    """Executes a module of a user's folder, always from its source, and keeps the source."""

    def get_code(self, fullname: str) -> CodeType:
        text = decode_source(self.get_data(self.path))
        linecache.cache[self.path] = (len(text), None, text.splitlines(keepends=True), self.path)
        package = fullname.partition(".")[0]
        _loaded.setdefault(package, {})[Path(self.path)] = text
        return compile(text, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        package = module.__name__.partition(".")[0]
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _importer(package, Path(self.path))}
        super().exec_module(module)


def _importer(package: str, importing: Path) -> Callable[..., ModuleType]:
    """Return the `__import__` of a file, in which modules of its folder come before installed ones."""
    folder = Path(sys.modules[package].__path__[0])

    def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> ModuleType:
        top = name.partition(".")[0]
        if level or not is_neighbour(folder, top, importing):
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{package}.{name}", globals, locals, fromlist or (), 0)
        return module if fromlist else sys.modules[f"{package}.{top}"]

    return import_


def is_neighbour(folder: Path, top: str, importing: Path | None = None) -> bool:
    """Return whether `import top` in a user's file means a module of its folder, whether it is loaded or not."""
    if f"{PREFIX}{digest(str(folder))}.{top}" in sys.modules and not (importing and importing.stem == top):
        return True
    module = folder / f"{top}.py"
    return (module.is_file() and module != importing) or (folder / top / "__init__.py").is_file()


def folder_of(names: Mapping[str, Any]) -> Path:
    """Return the folder of a module, given by its globals; the modules beside it are in this folder."""
    package = sys.modules.get(str(names.get("__name__")).partition(".")[0])
    if package and package.__name__.startswith(PREFIX):
        return Path(package.__path__[0])
    return Path(names["__file__"]).parent if names.get("__file__") else Path.cwd()


sys.meta_path.insert(0, _Finder())
