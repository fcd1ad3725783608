"""The identity of a user's code: it changes with what is executed, and with nothing else."""

import functools
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.fingerprint import fingerprint
from resnet_core.nets.registry import ORDERS, Order, register_block, registered
from resnet_core.users_code import load

BLOCK = '''
import math
import keras
import helpers
from more import tools
from helpers import twice

WIDTH = 4
TABLE = {"a": (1, 2)}
CALLS = []


def inner(width):
    return width // WIDTH


class Base(keras.layers.Layer):
    def call(self, x):
        return x


class Scaled(Base):
    factor = 2

    def __init__(self, by, **common):
        super().__init__(**common)
        self.by = by

    def call(self, x):
        return super().call(x) * self.factor * twice(self.by)


def block(at, x, width, strides, *, name="conv"):
    """F."""
    CALLS.append(width)
    x = at.conv(x, inner(width), 3, name=name)
    x = at.layer(x, lambda name: Scaled(helpers.VALUE, name=name), name="scaled")
    if TABLE["a"][0] > math.inf:
        x = at.activation(x, name="act")
    return at.conv(x, tools.width(width), 3, strides, name="conv2")
'''
FILES = {
    "mine.py": BLOCK,
    "helpers.py": "VALUE = 3\nOTHER = 4\n\n\ndef twice(x):\n    return 2 * x\n",
    "more/__init__.py": "",
    "more/tools.py": "from .base import ONE\n\n\ndef width(x):\n    from helpers import OTHER\n    return x * ONE\n",
    "more/base.py": "ONE = 1\n",
}


def identity(folder, **changes):
    """Write the files with the changes, each `file__name=(old, new)`, and return the fingerprint of the block."""
    for name, text in FILES.items():
        for file, (old, new) in changes.items():
            if name == file.replace("__", "/") + ".py":
                assert text.count(old) == 1
                text = text.replace(old, new)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return fingerprint(load(folder / "mine.py", "plugin").block)


SAME = {
    "a comment": {"mine": ("CALLS.append", "# counts\n    CALLS.append")},
    "a docstring": {"mine": ('"""F."""', '"""F, in other words."""')},
    "no docstring": {"mine": ('    """F."""\n', "")},
    "formatting": {"mine": ('at.activation(x, name="act")', "at.activation(\n            x, name='act')")},
    "an annotation": {"mine": ("def inner(width):", "def inner(width: int) -> int:")},
    "another function": {"mine": ("def inner", "def unused():\n    return WIDTH\n\n\ndef inner")},
    "another constant": {"mine": ("WIDTH = 4", "WIDTH = 4\nDEPTH = 3")},
    "an import": {"mine": ("import math", "import math, json")},
    "state": {"mine": ("CALLS = []", "CALLS = [1]")},
    "what a neighbour has besides": {"helpers": ("OTHER = 4", "OTHER = 4\nMORE = 5")},
}
OTHER = {
    "the body": {"mine": ("3, strides", "1, strides")},
    "a constant": {"mine": ("WIDTH = 4", "WIDTH = 8")},
    "a dictionary": {"mine": ("(1, 2)", "(1, 3)")},
    "a value that is computed": {"mine": ("WIDTH = 4", "import math\nWIDTH = math.isqrt(9)")},
    "a default": {"mine": ('name="conv"', 'name="conv1"')},
    "a function": {"mine": ("width // WIDTH", "width // WIDTH + 1")},
    "a class": {"mine": ("factor = 2", "factor = 3")},
    "a method": {"mine": ("self.by = by", "self.by = by + 1")},
    "a base": {"mine": ("        return x\n", "        return x + 1\n")},
    "a neighbour's value": {"helpers": ("VALUE = 3", "VALUE = 4")},
    "a neighbour's function": {"helpers": ("2 * x", "3 * x")},
    "a neighbour's neighbour": {"more__base": ("ONE = 1", "ONE = 2")},
    "what is imported when it is called": {"helpers": ("OTHER = 4", "OTHER = 5")},
}


class TestFiles:
    @pytest.mark.parametrize("change", SAME)
    def test_what_is_not_executed_does_not_count(self, change, tmp_path):
        assert identity(tmp_path / "a", **SAME[change]) == identity(tmp_path / "b")

    @pytest.mark.parametrize("change", OTHER)
    def test_what_is_executed_counts(self, change, tmp_path):
        assert identity(tmp_path / "a", **OTHER[change]) != identity(tmp_path / "b")

    def test_it_is_the_same_in_another_process_and_after_the_block_was_used(self, tmp_path):
        here = identity(tmp_path)
        script = (
            "import sys; from pathlib import Path; from resnet_core.fingerprint import fingerprint\n"
            "from resnet_core.users_code import load; print(fingerprint(load(Path(sys.argv[1]), 'plugin').block))"
        )
        command = [sys.executable, "-c", script, tmp_path / "mine.py"]
        there = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
        assert there.stdout.strip() == here
        module = load(tmp_path / "mine.py", "plugin")
        layer = module.Scaled(3, name="x")
        layer(np.ones((1, 2), np.float32))
        module.CALLS.append(3)
        assert fingerprint(module.block) == here

    def test_a_file_that_is_edited_later_does_not_matter_to_what_was_loaded(self, tmp_path):
        before = identity(tmp_path)
        module = load(tmp_path / "mine.py", "plugin")
        (tmp_path / "mine.py").write_text("# gone\n" + BLOCK.replace("3, strides", "1, strides"))
        (tmp_path / "helpers.py").unlink()
        assert fingerprint(module.block) == before


def defined(text, name="block"):
    names = {"__name__": "__main__"}
    exec(text, names)
    return names[name]


def closed(width):
    return lambda at, x: at.conv(x, width)


def decorated(function):
    @functools.wraps(function)
    def wrapper(*words):
        return function(*words)

    return wrapper


class Called:
    def __init__(self, width):
        self.width = width

    def __call__(self, at, x):
        return at.conv(x, self.width)


def branch(at, x, width=1):
    return at.conv(x, width)


def other(at, x, width=1):
    return at.conv(x, width + 1)


PAIRS = {
    "without a source": lambda i: defined(f"def block(at, x): return at.conv(x, {i})"),
    "a function that one without source calls": lambda i: defined(
        f"def f(x): return x + {i}\ndef block(at, x): return f(x)"
    ),
    "a lambda without a source": lambda i: defined(f"block = lambda at, x: at.conv(x, 'abc{i}')"),
    "a closure": closed,
    "a decorated function": lambda i: decorated((branch, other)[i]),
    "a partial": lambda i: functools.partial(branch, width=i),
    "an object that is called": Called,
    "a method": lambda i: Called(i).__call__,
    "a cached function": lambda i: functools.cache((branch, other)[i]),
    "an array": lambda i: closed(np.full(2, i)),
    "a set": lambda i: closed({"a", "b", f"c{i}"}),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_what_has_no_file_of_its_own(kind):
    first, again, second = PAIRS[kind](0), PAIRS[kind](0), PAIRS[kind](1)
    assert fingerprint(first) == fingerprint(again) != fingerprint(second)


def test_a_value_that_cannot_be_told_is_refused():
    with pytest.raises(UserError, match=r"functions, classes and plain values.* but got a numpy.random._generator.Gen"):
        fingerprint(closed(np.random.default_rng(0)))
    with pytest.raises(UserError, match="but got a _thread.lock"):
        fingerprint(closed(threading.Lock()))


def test_two_folders_with_neighbours_of_one_name_are_not_mixed(tmp_path):
    modules = {}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "blocks.py").write_text(f"NAME = {name!r}\n")
        (tmp_path / name / "late.py").write_text(f"NAME = {name!r}\n")
        text = "import blocks\nfrom blocks import NAME\ndef late():\n    import late\n    return late.NAME\n"
        (tmp_path / name / "mine.py").write_text(text)
        modules[name] = load(tmp_path / name / "mine.py", "plugin")
    for name, module in modules.items():
        assert (module.NAME, module.blocks.NAME, module.late()) == (name, name, name)
    assert not {"blocks", "late", "mine"} & sys.modules.keys()
    assert str(tmp_path / "a") not in map(str, map(Path, sys.path))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"mine.py": "import sys\nsys.exit(0)"}, r"a plugin must load, but mine.py, line 2, raises SystemExit\(0\)"),
        ({"mine.py": "quit()"}, r"a plugin must load, but mine.py, line 1, raises SystemExit"),
        ({"mine.py": "import pytest\npytest.skip('no', allow_module_level=True)"}, r"mine.py, line 2, raises "),
        ({"mine.py": "class E(Exception):\n def __repr__(self):\n  1 / 0\nraise E"}, r"mine.py, line 4, raises E$"),
        ({"mine.py": "import near", "near.py": "\n1 / 0"}, r"but near.py, line 2, raises ZeroDivisionError"),
        ({"mine.py": "import near", "near.py": "x = ("}, r"but near.py, line 1, raises SyntaxError"),
        ({"mine.py": "\nimport nothing"}, r"but mine.py, line 2, raises ModuleNotFoundError"),
        ({"mine.py": "import mine"}, r"but mine.py, line 1, raises ModuleNotFoundError"),
        ({"mine.py": "\0"}, r"but mine.py.* raises (SyntaxError|ValueError)"),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "",
)
def test_what_a_file_raises_is_one_line_with_its_place(files, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        load(Path("mine.py"), "plugin")


def test_a_users_module_may_have_any_name(tmp_path):
    (tmp_path / "random.py").write_text("import random\nfrom search import DEPTH\nvalue = random.random()")
    (tmp_path / "search.py").write_text("DEPTH = 3")
    assert load(tmp_path / "random.py", "plugin").DEPTH == 3
    assert "DEPTH" not in vars(sys.modules.get("search", sys))


def test_what_a_file_loads_reads_the_variables_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    (tmp_path / "mine.py").write_text("import os\nONEDNN = os.environ['TF_ENABLE_ONEDNN_OPTS']")
    assert load(tmp_path / "mine.py", "plugin").ONEDNN == "1"


def refers_to_the_registry(at):
    return ORDERS["original"], Order, registered(at.spec.block), register_block


def test_what_moved_within_this_project_leaves_the_hash_of_a_block_as_it_was():
    assert fingerprint(refers_to_the_registry) == "e5a67b9fd802dbbf"  # as when it stood in nets.blocks
