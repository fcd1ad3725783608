"""Versions of the numeric libraries with which the records of a folder were made."""

import json
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from resnet_core.errors import UserError
from resnet_core.runs.records.files import head
from resnet_core.runs.records.frames import RECORD, read_parquet
from resnet_core.runs.records.store import Store
from resnet_core.runs.records.survey import Survey, in_parts

PACKAGES = ("tensorflow", "keras", "numpy")
"""Packages whose version may change results."""


def check_versions(store: Store, survey: Survey, *, mix: bool) -> str:
    """Check that the records of a folder were made with the installed versions. A version that a record does not have
    is not compared.

    Args:
        store: The folder.
        survey: Survey of the folder.
        mix: Whether other versions are allowed.

    Returns:
        A warning if there are records of other versions; otherwise an empty text.

    Raises:
        UserError: There are records of other versions, and they are not allowed.
    """
    installed = {name: version(name) for name in PACKAGES}
    others = Counter(
        f"{name} {environment[name]}"
        for environment in environments(store, survey).values() for name in PACKAGES
        if name in environment and environment[name] != installed[name]
    )  # fmt: skip
    if not others:
        return ""
    recorded = ", ".join(f"{words} ({count} run{'s' * (count > 1)})" for words, count in sorted(others.items()))
    now = ", ".join(f"{name} {it}" for name, it in installed.items() if any(f"{name} " in word for word in others))
    if not mix:
        raise UserError(
            f"the runs of a study must be made with one version of the libraries, but {store.root} has runs of "
            f"{recorded}, and {now} is installed; install the former, choose another --out, or mix by --mix-versions"
        )
    return f"mixed versions: {store.root} has runs of {recorded}, and more are made with {now}"


def environments(store: Store, survey: Survey) -> dict[str, Mapping[str, Any]]:
    """Return the environment of each recorded run by its id."""
    environments_by_run: dict[str, Mapping[str, Any]] = {
        run: head(copy.place).environment for run, copy in survey.copies.items() if copy.place.is_file()
    }
    for folder, runs in in_parts(survey).items():
        texts = read_parquet(folder / "runs.parquet", ["run", RECORD])
        kept = ((run, text) for run, text in zip(texts["run"], texts[RECORD], strict=True) if run in runs)
        environments_by_run.update({run: json.loads(text)["environment"] for run, text in kept})
    return environments_by_run
