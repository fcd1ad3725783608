"""Studies by name, or from a user's own file."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

from ablations.study import Study
from ablations.suites import suites
from resnet_core.errors import UserError
from resnet_core.runs.execution.plugins import registrations
from resnet_core.runs.runtime import without_notices
from resnet_core.users_code import guarded, load


def is_file(word: str) -> bool:
    """Return whether a word on the command line is the file of a study, and not the name of a study."""
    return word.endswith(".py")


def study_in(file: Path) -> Study:
    """Return the study that a Python file defines under the name `study`.

    Raises:
        UserError: There is no such file or study, or the study is illegal. The message has the line.
    """
    if not file.is_file():
        raise UserError(f"a study must be {', '.join(suites())} or a Python file of yours, but there is no {file}")
    before = registrations()
    with without_notices():
        module = load(file, "study")
    study = _study(module, file)
    study = replace(study, file=file)
    with guarded("a study must load", file):
        study.check()
    return replace(study, registers=registrations() != before)


def _study(module: ModuleType, file: Path) -> Study:
    study = getattr(module, "study", None)
    if not isinstance(study, Study):
        raise UserError(f"a file must define a Study as `study`, but {file} defines {type(study).__name__}")
    return study
