"""An extension of Sphinx that writes the pages about what is registered, so that nothing of them has to be typed.

Suites, probes, extensions, commands, findings and the reference of functions are read from the code and from
`results/reference` before Sphinx looks for pages, and written into `docs/generated`.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from written import commands, copied, extensions, probes, reference, suites

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
GENERATED = DOCS / "generated"
EXTRA = DOCS / "_build" / "extra"
REPORTS = {"depth-smoke": "depth"}
"""Reports of `results/reference` that are copied into the site: name there, and folder."""


def write_pages(*_: Any) -> None:
    """Write all pages anew."""
    os.environ["COLUMNS"] = "100"  # of the help texts
    shutil.rmtree(GENERATED, ignore_errors=True)
    shutil.rmtree(EXTRA, ignore_errors=True)
    kernel = DOCS / "_build" / "kernel" / "profile_default" / "startup"
    kernel.mkdir(parents=True, exist_ok=True)
    shutil.copy(DOCS / "kernel.py", kernel)
    for writer in (suites, probes, extensions, commands, reference, copied):
        for name, text in writer.pages().items():
            path = GENERATED / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    for name, folder in REPORTS.items():
        shutil.copytree(ROOT / "results" / "reference" / folder / "report", EXTRA / "reports" / name)


def setup(app: Any) -> dict[str, bool]:
    """Register the extension."""
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
