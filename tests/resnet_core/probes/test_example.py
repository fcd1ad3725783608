"""The script of the documentation on looking inside a network."""

from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def test_the_script_runs(capsys):
    script = (EXAMPLES / "look_inside.py").read_text()
    exec(compile(script, "look_inside.py", "exec"), {})
    printed = capsys.readouterr().out
    assert "stage1_block1" in printed
    assert "stem_conv" in printed
