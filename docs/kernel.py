"""What the kernel of a page runs before its first cell, so that the page is the same whenever it is built.

The page is executed in an empty folder, with the files of `docs/examples`, and an empty cache. What it shows has no
progress and no times. A command that fails stops the build.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
from IPython import get_ipython

from resnet_core import telling

EXAMPLES = Path(os.environ["IPYTHONDIR"]).parents[1] / "examples"
ELAPSED = re.compile(r"^(\[\d+/\d+\] .*?)(?:, [\d.]+ (?:s|min|h)\b.*|; ETA .*)$", re.MULTILINE)
"""A line of progress, and the times at its end."""


def shown(command: str) -> None:
    """Run `!command`, and print its output without times.

    Raises:
        RuntimeError: It failed.
    """
    done = subprocess.run(
        command, shell=True, executable="/bin/bash", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    output = ELAPSED.sub(r"\1", done.stdout)
    print("\n".join(line.rstrip() for line in output.splitlines()))
    if done.returncode:
        raise RuntimeError(f"`{command}` ended with {done.returncode}:\n{output}")


shutil.copytree(EXAMPLES, Path.cwd(), dirs_exist_ok=True)
Path("results").mkdir()
Path("results", "reference").symlink_to(EXAMPLES.parents[1] / "results" / "reference")
os.environ["XDG_CACHE_HOME"] = str(Path("cache").absolute())
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
telling.surrounding = lambda: "nobody"
get_ipython().system = shown
mpl.rcParams["figure.dpi"] = 110
