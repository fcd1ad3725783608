"""The file of a record: `<run id>.json`, or `<run id>-<attempt>.json` for an attempt after the first."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from resnet_core.errors import first_mistake, one_line
from resnet_core.runs.records.copies import Copy
from resnet_core.runs.records.outcomes import Measured, measured
from resnet_core.runs.records.record import SCHEMA, Record, Stored
from resnet_core.sealed import bytes_of, is_as_written, parsed, seal, unseal

UNSEALED = 2
"""The schema of records without a checksum."""
RUN_ID = re.compile(r"[0-9a-f]{16}")
_NAME = re.compile(r"(?P<run>[0-9a-f]{16})(-(?P<attempt>[2-9]|[1-9][0-9]{1,5}))?\.json")
_ROWS = b',"epochs":{'


def name_of(run_id: str, attempt: int) -> str:
    """Return the name of the file of a record."""
    return f"{run_id}.json" if attempt == 1 else f"{run_id}-{attempt}.json"


def run_and_attempt(name: str) -> tuple[str, int] | None:
    """Return the run and the attempt of a file name of `name_of`, or `None` for another name."""
    parts = _NAME.fullmatch(name)
    return (parts["run"], int(parts["attempt"] or 1)) if parts else None


def text_of(record: Record) -> str:
    """Return the content of the file of a record."""
    return seal(record.to_dict())


def read(path: Path) -> tuple[Stored, Record]:
    """Return the record of a file.

    Raises:
        OSError, ValueError, KeyError, TypeError, RecursionError: The file is missing or damaged.
    """
    values = unseal(bytes_of(path), since=SCHEMA)
    stored = _checked(values, path)
    record = stored.record()
    if record.run.id != stored.id:
        raise ValueError(f"a record must have the name of its run, but it is {record.run.id}")
    return stored, record


def head(path: Path) -> Stored:
    """Return the record of a file without its rows. The rows are not even parsed if the file is as it was written.

    Raises:
        OSError, ValueError, KeyError, TypeError, RecursionError: The file is missing or damaged.
    """
    content = bytes_of(path)
    rows = content.rfind(_ROWS)
    if rows < 0 or not is_as_written(content):
        return read(path)[0]
    values = parsed(content[:rows] + b"}")
    values.pop("sha256")
    return _checked(values, path)


def copy_of(stored: Stored, place: Path) -> Copy:
    """Return the `Copy` of a record in this place.

    Raises:
        KeyError, ValueError: The specs of the run are damaged.
    """
    outcome = stored.outcome
    counts = stored.data.training_counts if stored.data else ()
    net, train = stored.run["net"], stored.run["train"]
    try:
        known = cast(Measured, tuple(map(float, measured(stored.results, net, train, counts))))
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"`classes` and the counts of images must be numbers: {one_line(error)}") from None
    return Copy(
        stored.id, stored.attempt, outcome.status, outcome.step, place, outcome.message, known, stored.taken_from
    )  # fmt: skip


def reason_of(error: Exception) -> str:
    """Return why a file could not be read, in one line."""
    match error:
        case ValidationError():
            return first_mistake(error)
        case KeyError():
            return f"it lacks {error}"
        case OSError():
            return error.strerror or str(error)
        case _:
            return one_line(error)


def _checked(values: Mapping[str, Any], path: Path) -> Stored:
    schema = values.get("schema", "none")
    if schema not in (UNSEALED, SCHEMA):
        raise ValueError(f"a record must be of schema {SCHEMA}, but it has {schema}")
    stored = Stored.from_dict(values)
    if run_and_attempt(path.name) != (stored.id, stored.attempt):
        raise ValueError(f"a record must have the name of its run, but it is {stored.id}, attempt {stored.attempt}")
    return stored
