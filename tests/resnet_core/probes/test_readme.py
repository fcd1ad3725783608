"""The section of the README on looking inside a network."""

import re
from pathlib import Path

import pytest

from resnet_core.probes.registry import probes

README = (Path(__file__).parents[3] / "README.md").read_text()


def test_the_script_runs(capsys):
    script = re.search(r"```python\n(# look_inside\.py\n.*?)```", README, re.DOTALL)[1]
    exec(compile(script, "look_inside.py", "exec"), {})
    printed = capsys.readouterr().out
    assert "stage1_block1" in printed
    assert "stem_conv" in printed


@pytest.mark.parametrize("name", probes())
def test_the_table_has_every_probe(name):
    assert f"| `{name}` | {probes()[name].about.rstrip('.')} |" in README
