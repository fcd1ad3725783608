"""Text and files of others are data: to every program that reads the folder of a study."""

import contextlib
import io
import json
import os
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ablations import cli as ablate
from analysis import cli as report
from analysis.claims import mean
from analysis.formats import csv, whole_csv
from resnet_core.command_line import Parser
from resnet_core.errors import UserError
from resnet_core.nets.spec import cifar
from resnet_core.runs.execution.fill import fill
from resnet_core.runs.records.record import Outcome
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.sealed import seal, unseal
from resnet_core.telling import printable, say, show, text_column, warn
from search.export import toml
from tests.torture.stub import StubExecution, plan_of, record_of, run_of

ROOT = Path(__file__).parents[2]
TEXTS = ["[/b]", "[b]bold[/b]", "$\\frac{a}$", "=cmd|' /C calc'!A0", "@SUM(1)", "\ud800", ":smile:", "\x1b[31m", "a\tb"]


def called(main, *words):
    """Return what a program prints; `UserError` is raised."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.suppress(SystemExit):
        main(list(map(str, words)))
    return out.getvalue()


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A study with an arm for each text, whose message and command have it, too."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "study")
    runs = [Run(cifar(8), TrainSpec(steps=2 + i), factors={"skip": text}) for i, text in enumerate(TEXTS)]
    prose = " ".join(TEXTS)
    claim = replace(mean("test_error", skip=TEXTS[0]) < mean("test_error", skip=TEXTS[2]), text=prose)
    figure = {"source": prose, "measure": "test_error", "arm": {"skip": TEXTS[0]}, "value": 0.5}
    store.add_plan(
        replace(
            plan_of(runs), commands=tuple(TEXTS), question=prose, source=prose, claims=(claim.to_dict(),),
            published=(figure,), words={"skip": {TEXTS[0]: f"{prose}: {prose}"}},
        )
    )  # fmt: skip
    for i, run in enumerate(runs):
        record = record_of(run, 3)
        if i % 2:
            record = replace(record, outcome=Outcome("crashed", 1, f"Error: {TEXTS[i]} [/conv]"), results={})
        store.write(replace(record, attempt=1))
    return store.root


@pytest.mark.parametrize("compacted", [False, True])
def test_every_program_shows_text_as_it_is(hostile, compacted):
    if compacted:
        assert "9 runs moved" in called(ablate._main, "compact", hostile)
    status = called(ablate._main, "status", hostile)
    assert "[/conv]" in status
    assert "[b]bold[/b]" in status
    assert "\x1b" not in status
    if not compacted:  # the tables of a report are the same
        assert "report: " in called(report._main, hostile)
        page = (hostile / "report" / "report.html").read_text()
        assert "\\ud800" in page
        assert "[b]bold[/b]" in page
    for command in ("verdicts", "power", "findings"):
        printed = called(ablate._main, command, hostile.parent if command == "findings" else hostile)
        assert "[b]bold[/b]" in printed
        assert "\x1b" not in printed
    called(ablate._main, "export", hostile, "out")
    levels = set(pd.read_csv("out/runs.csv")["skip"])
    assert {"'=cmd|' /C calc'!A0", "'@SUM(1)", "[/b]", "\\ud800"} <= levels


@pytest.mark.parametrize("text", ["=1+1", "@SUM", "+cmd", "-x", "\tx", "\rx"])
@pytest.mark.parametrize("written", [csv, whole_csv])
def test_no_cell_is_a_formula(text, written):
    table = pd.DataFrame({text: [text, "a"], "number": [-1.5, 2.0], "words": ["-1.5", "+2e-3"]})
    lines = written(table)
    read = pd.read_csv(io.StringIO(lines), dtype=str)
    shown = "'" + text.replace("\r", "\\r")
    assert read.columns[0] == read.iloc[0, 0] == shown
    assert read["number"].tolist() == ["-1.5", "2" if written is csv else "2.0"]
    assert read["words"].tolist() == ["-1.5", "+2e-3"]


def test_what_controls_a_terminal_is_printed_as_an_escape():
    assert printable("a\x1b[31m\x07\r\ud800\u202eb\tc\n") == "a\\x1b[31m\\x07\\r\\ud800\\u202eb\tc\n"


def test_a_table_whose_reader_has_gone_does_not_end_the_program(monkeypatch):
    """As after `head`."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        show(Table("column"))
        say("a line")


def test_a_bar_shows_text_as_it_is():
    out = io.StringIO()
    progress = Progress(text_column("{task.description}"), console=Console(file=out, force_terminal=True, width=200))
    progress.add_task("[/b] [b]bold[/b] \x1b[31m", total=1)
    with progress:
        pass
    assert "[/b] [b]bold[/b] \\x1b[31m" in out.getvalue()


def test_help_and_warnings_show_text_as_it_is(capsys):
    assert "[/b]\\x1b[31m" in Parser(prog="p", more=lambda: "[/b]\x1b[31m").format_help()
    warn("[/b]\x1b[31m")
    assert capsys.readouterr().err == "[/b]\\x1b[31m\n"


SPEAKERS = {"telling", "command_line", "latency", "show", "runtime"}  # JSON; what TensorFlow says


@pytest.mark.parametrize("package", ["resnet_core", "ablations", "analysis", "search"])
def test_nothing_is_printed_but_by_what_prints_literally(package):
    """`say`, `warn`, `show` and `console`; see `telling`."""
    modules = [path for path in sorted((ROOT / package).rglob("*.py")) if path.stem not in SPEAKERS]
    printing = re.compile(r"(?<![\w.])print\(|std(out|err)\.write|TextColumn\(|(?<!def )\bConsole\(")
    assert [path for path in modules if printing.search(path.read_text())] == []


@pytest.mark.parametrize("path", ["a😀b", "\x7f", "\x01", 'quote"', "back\\slash", "ü", "\n"])
def test_best_toml_is_toml(path):
    train = TrainSpec(data=path, steps=1)
    assert tomllib.loads(toml(cifar(8), train))["train"]["data"] == path


@pytest.mark.parametrize("command", ["export", "compact", "status", "retry", "verdicts", "remove"])
@pytest.mark.parametrize("content", ["{}", "[]", "", "\x00", '{"schema": 1}'])
def test_a_plan_that_is_none_is_named_by_every_command(command, content, tmp_path):
    (tmp_path / "study.json").write_text(content)
    more = {"export": ["out"], "remove": ["a=b"]}.get(command, [])
    with pytest.raises(UserError, match=r"study\.json that this program wrote"):
        called(ablate._main, command, tmp_path, *more)
    assert [path.name for path in tmp_path.iterdir()] == ["study.json"]


EDITS = {
    "a level that is a table": lambda plan: plan["runs"][0]["factors"].update(skip={"a": 1}),
    "a factor twice": lambda plan: plan.update(factors=["skip", "skip"]),
    "a factor that is a column": lambda plan: plan.update(factors=["run"]),
    "an id that is a path": lambda plan: plan["runs"][0].update(id="../../x"),
    "a run twice": lambda plan: plan["runs"].append(plan["runs"][0]),
    "a seed that is a word": lambda plan: plan["runs"][0].update(seed="x"),
    "no threads": lambda plan: plan.update(threads=0),
    "a figure without a measure": lambda plan: plan.update(published=[{"source": "", "arm": {}, "value": 1}]),
    "a figure of no measure": lambda plan: plan.update(
        published=[{"source": "", "arm": {}, "value": 1, "measure": "beauty"}]
    ),
    "a claim without terms": lambda plan: plan.update(claims=[{"text": ""}]),
    "a claim that is a word": lambda plan: plan.update(claims=["x"]),
    "a claim of another factor": lambda plan: plan.update(
        claims=[{"text": "", "measure": "test_error", "relation": "<", "bound": 0,
                 "terms": [{"factor": 1, "levels": {"mood": 1}}]}]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_plan_is_a_users_mistake_in_a_named_file(name, tmp_path):
    store = Store(tmp_path / "study")
    runs = [run_of(0), run_of(0, "none")]
    store.add_plan(plan_of(runs))
    store.write(replace(record_of(runs[0], 3), attempt=1))
    path = store.root / "study.json"
    values = unseal(path.read_bytes())
    EDITS[name](values)
    path.write_text(seal(values))
    with pytest.raises(UserError, match=r"study\.json"):
        called(report._main, store.root)


def test_a_value_of_the_plan_that_was_changed_by_hand_is_noticed(tmp_path):
    store = Store(tmp_path / "study")
    store.add_plan(plan_of([run_of(0)]))
    path = store.root / "study.json"
    path.write_text(path.read_text().replace("Does it last?", "Does it?"))
    with pytest.raises(UserError, match="its checksum is that of another content"):
        store.plan()
    values = json.loads(path.read_text())
    del values["sha256"]
    path.write_text(json.dumps(values))
    assert store.plan().question == "Does it?"


@pytest.mark.parametrize("words", [["export", "study", ""], ["run", "depth", "--out", ""], ["compact", ""]])
def test_no_name_is_no_folder(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Store(tmp_path / "study").add_plan(plan_of([run_of(0)]))
    shutil.copy("study/study.json", "study.json")
    with pytest.raises(UserError):
        called(ablate._main, *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study", "study.json"]


def test_a_folder_that_is_moved_in_mid_run_is_not_made_again(tmp_path):
    root = tmp_path / "study"
    runs = [run_of(seed) for seed in range(3)]

    class Moves(StubExecution):
        def job(self, *arguments):
            name, job = super().job(*arguments)
            root.rename(tmp_path / "elsewhere")
            return name, job

    with pytest.raises(UserError, match="must stay where it is"), contextlib.redirect_stdout(io.StringIO()):
        fill(plan_of(runs), runs, root, Moves(), 100)
    assert not root.exists()
    assert (tmp_path / "elsewhere" / "study.json").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name")
@pytest.mark.parametrize("name", ["runs/0123456789abcdef.json", "probed/x.json", "study.json"])
def test_a_pipe_in_the_place_of_a_file_is_damaged_and_not_waited_for(name, tmp_path):
    store = Store(tmp_path / "study")
    store.add_plan(plan_of([run_of(0)]))
    store.write(record_of(run_of(0)))
    path = store.root / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    if name == "study.json":
        with pytest.raises(UserError, match="it must be a file, but it is something else"):
            called(ablate._main, "status", store.root)
    else:
        assert f"{name}: it must be a file" in called(ablate._main, "export", store.root, tmp_path / "out")
