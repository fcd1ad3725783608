"""The scripts of the README and of the documentation, at tiny sizes; their search is that of `tests/search`."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TINY = "steps=2, batch_size=32, train_size=200, width=2"
SMALLER = {
    'scale="smoke", seeds=3': f'scale="smoke", seeds=1, {TINY}',
    "depth=[8, 20]": "depth=[8]",
    "depth=20, skip": "depth=8, skip",
    "cifar(20), data=(x, y, x_test, y_test), epochs=5": "cifar(8, width=2), data=(x, y, x_test, y_test), steps=2",
}
SEARCH = "    searched = search.run("


def of_the_documentation():
    code = (ROOT / "docs" / "examples" / "from_python.py").read_text()
    for here, smaller in SMALLER.items():
        assert here in code
        code = code.replace(here, smaller)
    return code[: code.index(SEARCH)]


def of_the_readme():
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert "depth=[8, 20], seeds=3" in code
    return code.replace("depth=[8, 20], seeds=3", f"depth=[8], skip='A', seeds=1, {TINY}")


@pytest.mark.parametrize(("script", "printed"), [(of_the_documentation, "test_accuracy"), (of_the_readme, "failed")])
def test_the_script_runs(script, printed, program, tmp_path):
    (tmp_path / "script.py").write_text(script())
    done = program(str(tmp_path / "script.py"))
    assert done.returncode == 0, done.stderr
    assert "results/local/depth/report/report.html" in done.stdout
    assert printed in done.stdout
