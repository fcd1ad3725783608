"""The section *From Python* of the README runs as it stands, at tiny sizes."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
TINY = {
    'scale="smoke", seeds=3': 'scale="smoke", seeds=1, steps=2, batch_size=32, train_size=200, order="original"',
    "cifar(20), data=(x, y, x_test, y_test), epochs=5": "cifar(8, width=2), data=(x, y, x_test, y_test), steps=2",
    "trials=20": "trials=2, epochs=1, train_size=200, batch_size=32, confirm=1, confirm_seeds=1, fix=['blocks1=1', 'blocks2=1', 'blocks3=1', 'width=8']",
}


@pytest.fixture
def script():
    code = re.search(r"```python\n(# from_python\.py\n.*?)```", README, re.DOTALL)[1]
    for here, tiny in TINY.items():
        assert here in code
        code = code.replace(here, tiny)
    return code


def test_the_section_runs(script, program, tmp_path):
    (tmp_path / "from_python.py").write_text(script)
    done = program(str(tmp_path / "from_python.py"))
    assert done.returncode == 0, done.stderr
    for word in ("The residual", "depth skip", "report.html", "train_accuracy", "val_accuracy"):
        assert word.lower() in done.stdout.lower()
    assert (tmp_path / "results" / "local" / "search" / "best.keras").exists()
