"""Studies at smoke scale in both forms: `--set form=own`, and `form=auto`, which takes open shapes where they pay."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from resnet_core.runs.records.store import Store

ROOT = Path(__file__).parents[1]
SUITES = ("depth", "gradient-at-init", "criticality")
ABOUT = f"""## Studies at smoke scale, by form

Wall time of `resnet-ablate run` and `resnet-report` ({", ".join(f"`{suite}`" for suite in SUITES)}), from the start of
the first to the end of the second, and processor seconds of the runs; each network in its own form (`--set form=own`)
and `--set form=auto`, one after another. Learning rates are not chosen, since a field of the training is set.
"""


def sides(suites: tuple[str, ...] = SUITES, *more: str) -> Iterator[tuple[str, str, float, float]]:
    """Yield suite, form, wall time and processor seconds of the runs. `more` are further options of the studies."""
    with tempfile.TemporaryDirectory() as folder:
        for suite in suites:
            for form in ("own", "auto"):
                out = Path(folder) / form
                run = ["ablations", "run", suite, "--scale=smoke", f"--set=form={form}", f"--out={out}", *more]
                started = time.perf_counter()
                for arguments in (run, ["analysis", str(out / suite)]):
                    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=True, capture_output=True)
                wall = time.perf_counter() - started
                yield suite, form, wall, float(Store(out / suite).frames().runs["cpu_seconds"].sum())


def table(rows: list[tuple[str, str, float, float]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| study | form | wall time | of own | processor seconds | of own |", "|---|---|---|---|---|---|"]
    own = {suite: (wall, spent) for suite, form, wall, spent in rows if form == "own"}
    for suite, form, wall, spent in rows:
        walls, all_spent = own[suite]
        lines.append(f"| {suite} | {form} | {wall:.0f} | {wall / walls:.2f} | {spent:.0f} | {spent / all_spent:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    rows = []
    for row in sides(tuple(sys.argv[1:2]) or SUITES, *sys.argv[2:]):
        rows.append(row)
        print(row, flush=True)
    print(table(rows))
