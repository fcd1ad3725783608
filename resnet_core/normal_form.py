"""The normal form of a function's source: without comments, formatting, docstrings and annotations."""

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

CHANGES = {
    "append", "extend", "insert", "remove", "pop", "popitem", "clear", "update", "setdefault", "add", "discard",
    "sort", "reverse",
}  # fmt: skip
"""Methods by which a list, dictionary or set is changed."""
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def codes_of(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all code objects inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_of(constant)


@lru_cache(maxsize=4096)
def names_of(code: CodeType) -> set[str]:
    """Return the names of globals, attributes and imported modules that a code object uses."""
    return {name for inner in codes_of(code) for name in inner.co_names}


@lru_cache(maxsize=4096)
def normal_form(code: CodeType, docstring: str | None) -> tuple[Any, frozenset[str]]:
    """Return the normal form of a function, and the global names that functions of its file change.

    The source is read once, so later changes of the file have no effect. If the source of a function cannot be told
    from that of another, its byte code is returned, which differs from one version of Python to another.
    """
    linecache.checkcache(code.co_filename)
    text = text_of(code.co_filename)
    tree, codes = parsed(text)
    if code in codes:
        functions = (node for node in ast.walk(tree) if isinstance(node, Function))
        nodes = [node for node in functions if _start(node) == (code.co_name, code.co_firstlineno)]
        if len(nodes) == 1:
            body = nodes[0].body if isinstance(nodes[0].body, list) else [nodes[0].body]
            return [_arguments(nodes[0].args), normal_tree(body)], _changed(tree)
    return _byte_code(code, docstring), frozenset()


def text_of(file: str | None) -> str:
    """Return the source of a file or of a notebook's cell, as it was loaded."""
    return "".join(linecache.getlines(file or ""))


@lru_cache(maxsize=256)
def parsed(text: str) -> tuple[ast.Module, frozenset[CodeType]]:
    """Return the syntax tree of a module, and the code objects in it."""
    try:
        return ast.parse(text), frozenset(codes_of(compile(text, "", "exec", dont_inherit=True)))
    except (SyntaxError, ValueError):  # such as a cell with magics, which is not plain Python
        return ast.Module([], []), frozenset()


def _start(node: Function) -> tuple[str, int]:
    """Return the name and the first line of a function, as in its code object."""
    if isinstance(node, ast.Lambda):
        return "<lambda>", node.lineno
    return node.name, min(part.lineno for part in (node, *node.decorator_list))


@lru_cache(maxsize=256)
def _changed(tree: ast.Module) -> frozenset[str]:
    """Return the global names whose values the functions of a module change; these values are not constants."""
    names: set[str] = set()
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        for node in ast.walk(function):
            match node:
                case ast.Global():
                    names |= {*node.names}
                case ast.Subscript(ctx=ast.Store() | ast.Del()):
                    names |= _root(node.value)
                case ast.Call(func=ast.Attribute(attr=method)) if method in CHANGES:
                    names |= _root(node.func)
    return frozenset(names)


def _root(node: ast.AST) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _byte_code(code: CodeType, docstring: str | None) -> Any:
    constants = [
        constant for i, constant in enumerate(code.co_consts) if i or docstring is None or constant != docstring
    ]
    described = [
        _byte_code(constant, None) if isinstance(constant, CodeType)
        else sorted(map(repr, constant)) if isinstance(constant, frozenset)
        else repr(constant)
        for constant in constants
    ]  # fmt: skip
    return [code.co_code.hex(), described, list(code.co_names), list(code.co_varnames), list(code.co_freevars)]


def _arguments(arguments: ast.arguments) -> Any:
    """Return the names of the arguments. Their defaults are hashed elsewhere, by value."""
    groups = (arguments.posonlyargs, arguments.args, [arguments.vararg], arguments.kwonlyargs, [arguments.kwarg])
    return [[argument.arg for argument in group if argument] for group in groups]


def normal_tree(node: Any) -> Any:
    """Return a syntax tree without what is not executed: line numbers, docstrings, annotations of functions."""
    if isinstance(node, list):
        return [normal_tree(child) for child in node if not _is_text(child)]
    if not isinstance(node, ast.AST):
        return node if node is None or isinstance(node, str | bool) else [type(node).__name__, repr(node)]
    unread = {"ctx", "kind", "type_comment", "type_ignores"}
    if isinstance(node, ast.arg | ast.FunctionDef | ast.AsyncFunctionDef):
        unread |= {"annotation", "returns", "type_params"}
    fields = {name: normal_tree(value) for name, value in ast.iter_fields(node) if name not in unread}
    return [type(node).__name__, {name: value for name, value in fields.items() if value not in (None, [])}]


def _is_text(node: Any) -> bool:
    """Return whether a statement is only a string: a docstring, or a string that serves as a comment."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
