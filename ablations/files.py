"""Studies by name, or from a user's own file."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from ablations.study import Study
from ablations.suites import suites
from resnet_core.errors import UserError, line_in
from resnet_core.nets.blocks import BLOCKS


def is_file(word: str) -> bool:
    """Return whether a word on the command line is a file with a study, not the name of one."""
    return word.endswith(".py")


def study_in(file: Path) -> Study:
    """Return the study that a Python file defines, under the name `study`.

    Raises:
        UserError: There is none, or it is wrong; the line is named.
    """
    if not file.is_file():
        raise UserError(f"a study must be {', '.join(suites())} or a Python file of yours, but there is no {file}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    known = {**BLOCKS}
    try:
        spec.loader.exec_module(module)
        study = _study(module, file)
        study.check()
    except UserError as error:
        line = error.line or line_in(file, error)
        raise UserError(f"{file}, line {line}: {error}" if line else f"{file}: {error}") from None
    except Exception as error:  # whatever a user's file may raise
        line = error.lineno if isinstance(error, SyntaxError) else line_in(file, error)
        raise UserError(f"a study must load, but {file}, line {line}, raises {error!r}") from None
    return study if known == BLOCKS else replace(study, plugin=file)


def _study(module: ModuleType, file: Path) -> Study:
    study = getattr(module, "study", None)
    if not isinstance(study, Study):
        raise UserError(f"a file must define a Study as `study`, but {file} defines {type(study).__name__}")
    return study
