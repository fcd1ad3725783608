"""The section *From Python* of the README runs as it stands, at tiny sizes; its search is that of `tests/search`."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
TINY = {
    'scale="smoke", seeds=3': 'scale="smoke", seeds=1, steps=2, batch_size=32, train_size=200, width=2',
    "depth=[8, 20]": "depth=[8]",
    "depth=20, skip": "depth=8, skip",
    "cifar(20), data=(x, y, x_test, y_test), epochs=5": "cifar(8, width=2), data=(x, y, x_test, y_test), steps=2",
}
SEARCH = "    searched = search.run("


@pytest.fixture
def script():
    code = re.search(r"```python\n(# from_python\.py\n.*?)```", README, re.DOTALL)[1]
    for here, tiny in TINY.items():
        assert here in code
        code = code.replace(here, tiny)
    return code[: code.index(SEARCH)]


def test_the_section_runs(script, program, tmp_path):
    (tmp_path / "from_python.py").write_text(script)
    done = program(str(tmp_path / "from_python.py"))
    assert done.returncode == 0, done.stderr
    assert "results/local/depth/report/report.html" in done.stdout
    assert "test_accuracy" in done.stdout
