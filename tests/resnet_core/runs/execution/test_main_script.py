"""Scripts that start workers, with and without a main guard."""

import ast
import subprocess
import sys

import pytest

from resnet_core.runs.execution.main_script import _is_reached

LINE = "call()"
CASES = {
    "no guard": ("call()", True),
    "the guard": ("if __name__ == '__main__':\n    call()", False),
    "the guard, turned": ("if '__main__' == __name__:\n    if 1:\n        call()", False),
    "the other branch": ("if __name__ != '__main__':\n    pass\nelse:\n    call()", False),
    "the wrong branch": ("if __name__ == '__main__':\n    pass\nelse:\n    call()", True),
    "no guard, though an if": ("if True:\n    call()", True),
    "a guard by process": ("if parent_process() is None:\n    call()", False),
    "within a with": ("with x:\n    call()", True),
    "a guard within a try": ("try:\n    if __name__ == '__main__':\n        call()\nfinally:\n    pass", False),
}


@pytest.mark.parametrize("case", CASES)
def test_whether_a_worker_comes_to_the_line(case):
    text, reached = CASES[case]
    line = 1 + next(i for i, content in enumerate(text.splitlines()) if "call()" in content)
    assert _is_reached(ast.parse(text), line, {"__name__": "__main__"}) is reached


START = "import os, sys\nfrom resnet_core.runs.execution.main_script import importable\n"
CALL = "with importable():\n    print('started')\n"
GUARDED = "if __name__ == '__main__':\n    with importable():\n        print('started')\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GUARDED, None),
        (CALL, "line 3, would start its runs again in each of them"),
        ("if __name__ != '__main__':\n    os._exit(7)\n" + GUARDED, "ended with exit code 7; put what it does under"),
    ],
    ids=["guarded", "no guard", "ends when it is imported"],
)
def test_a_script_that_workers_cannot_import_is_named_at_once(text, message, tmp_path):
    (tmp_path / "script.py").write_text(START + text)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1:]
    assert done.stdout == ("" if message else "started\n")
    assert not last if message is None else message in last[0]


def test_what_is_no_file_starts_workers(tmp_path):
    for words, text in ((["-c", START + CALL], None), (["-"], START + CALL)):
        done = subprocess.run([sys.executable, *words], input=text, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("started\n", "")
