import io

import pytest
from rich.console import Console

from resnet_core.nets.spec import cifar
from resnet_core.runs.execution.display import MOST_BARS, Bars, Lines, Remaining, duration, ending, magnitude
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.loop import Progress

RUNS = [Run(cifar(8), TrainSpec(steps=100), seed=seed, factors={"level": f"[{seed}]"}) for seed in range(12)]
IDS = [run.id for run in RUNS]


def at(step):
    return Progress(step, 100, epoch=1 + step // 50, loss=0.5)


def ended(run, status="completed"):
    return Record(run, Outcome(status, 100, "why"), {"test_accuracy": 0.75} if status == "completed" else {}, seconds=9)


class Clock:
    """Remaining, at times that are told."""

    def __init__(self, *work):
        self.now = 1000.0
        self.remaining = Remaining(dict(zip(IDS, work)), lambda: self.now)

    def step(self, seconds, **steps):
        """Let so many seconds pass; then the runs are at these steps, or ended."""
        self.now += seconds
        for name, step in steps.items():
            run = RUNS["abcdefghijkl".index(name)]
            self.remaining.end(run) if step == "end" else self.remaining.step(run, at(step))
        return self.remaining.seconds()


class TestRemaining:
    def test_nothing_tells_it_before_the_first_step(self):
        clock = Clock(1, 1)
        assert str(clock.remaining) == "ETA …"
        assert clock.step(5, a=10) is None

    def test_one_after_another(self):
        """From the first step that is told of, at 10: start-up is not in the rate."""
        clock = Clock(100, 300)
        clock.step(30, a=10)
        assert clock.step(20, a=50) == pytest.approx(350 * 20 / 40)
        assert clock.step(25, a="end") == pytest.approx(300 * 45 / 90)
        assert clock.step(5, b=10) == pytest.approx(270 * 50 / 120)
        assert clock.step(60, b="end") == 0
        assert str(clock.remaining) == "ETA 0 s"

    def test_several_at_once(self):
        clock = Clock(*[100] * 4)
        clock.step(0, a=10, b=10)
        assert clock.step(40, a=50, b=50) == pytest.approx(300 * 40 / (40 + 50))
        clock.step(50, a="end", b="end", c=10, d=10)
        assert clock.step(40, c=50, d=50) == pytest.approx(100 * 130 / 290)

    def test_the_last_run_is_not_faster_than_one_worker(self):
        clock = Clock(100, 100, 100)
        clock.step(0, a=10, b=10)
        clock.step(90, a="end", b="end", c=10)
        rate = (90 + 100 + 10) / 90  # of two workers
        assert clock.step(0) == pytest.approx(90 / (rate / 2))

    def test_a_longer_run_than_the_rest_bounds_it_from_the_start(self):
        clock = Clock(10, 10, 1000)
        clock.step(0, a=10, b=10)
        assert clock.step(5, a=60, b=60) == pytest.approx(2 * 1000 * 5 / (5 + 6))

    def test_what_an_earlier_process_did_is_not_in_the_rate(self):
        clock = Clock(100, 100)
        clock.step(0, a=10)
        clock.step(90, a="end")
        assert clock.step(10, b=70) == pytest.approx(30 * 100 / (90 + 10))

    def test_a_run_that_is_begun_anew_goes_back(self):
        clock = Clock(100)
        clock.step(0, a=10)
        clock.step(40, a=50)
        assert clock.step(10, a=20) == pytest.approx(80 * 50 / 10)

    def test_a_run_of_one_step_of_progress(self):
        clock = Clock(100)
        assert clock.step(9, a=100) == 0

    def test_a_run_that_ends_without_a_step_is_done(self):
        clock = Clock(100, 100)
        clock.step(0, a=10)
        assert clock.step(45, b="end") == pytest.approx(90 * 45 / 100)


@pytest.fixture
def shown():
    """Return bars and a function that gives the last frame's lines once they are left."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=150, color_system=None)
    bars = Bars(dict.fromkeys(IDS, 1.0), console)

    def lines():
        frame = file.getvalue().rpartition("runs ")[2]
        return [line.split() for line in frame.splitlines() if "steps" in line]

    return bars, lines, file.getvalue


def test_a_bar_for_each_run_under_way(shown):
    bars, lines, text = shown
    with bars:
        for run, step in zip(RUNS, (10, 60, 30)):
            bars.step(run, at(step))
        bars.step(RUNS[0], at(20))
        bars.end(ended(RUNS[1]))
    assert [(line[2], line[5], line[-2:]) for line in lines()] == [
        ("20/100", "1", ["level=[0]", "seed=0"]), ("30/100", "1", ["level=[2]", "seed=2"])
    ]  # fmt: skip
    assert "level=[1] seed=1: completed, test accuracy 0.750, 9 s" in text()
    assert "1/12" in text()
    assert "ETA " in text()


def test_no_more_bars_than_fit_and_a_place_is_taken_when_it_is_free(shown):
    bars, lines, _ = shown
    with bars:
        for run in RUNS:
            bars.step(run, at(10))
        bars.end(ended(RUNS[3], "diverged"))
        bars.end(ended(RUNS[11]))  # it had none
        bars.step(RUNS[9], at(20))
        bars.step(RUNS[10], at(20))
    assert len(lines()) == MOST_BARS
    assert [int(line[-1].removeprefix("seed=")) for line in lines()] == [0, 1, 2, 4, 5, 6, 7, 9]


def test_lines_are_a_line_a_run_in_the_order_of_their_ends(capsys):
    lines = Lines(dict.fromkeys(IDS[:2], 1.0))
    with lines:
        for run in RUNS[:2]:
            lines.step(run, at(10))
        lines.end(ended(RUNS[1], "diverged"))
        lines.end(ended(RUNS[0]))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("[1/2] level=[1] seed=1: diverged, at step 100, 9 s; ETA ")
    assert printed[1] == "[2/2] level=[0] seed=0: completed, test accuracy 0.750, 9 s; ETA 0 s"


@pytest.mark.parametrize(
    ("results", "figure"),
    [
        ({"val_accuracy": 0.5, "test_accuracy": 0.75}, "test accuracy 0.750"),
        ({"train_accuracy": 1.0, "val_accuracy": 0.5}, "validation accuracy 0.500"),  # of a trial
        ({}, "at step 100"),
    ],
)
def test_a_run_that_looks_at_no_test_image_ends_with_its_validation_accuracy(results, figure):
    assert ending(Record(RUNS[0], Outcome("completed", 100), results, seconds=9)) == f"completed, {figure}, 9 s"


@pytest.mark.parametrize(
    ("number", "format_number", "text"),
    [
        (99.4, duration, "99 s"), (100, duration, "2 min"), (5999, duration, "100 min"), (6000, duration, "1.7 h"),
        (269_722, magnitude, "269,722"), (40_560_000, magnitude, "40.6 M"), (2.834e9, magnitude, "2.83 G"),
    ],
)  # fmt: skip
def test_numbers_for_people(number, format_number, text):
    assert format_number(number) == text
