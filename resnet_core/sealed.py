"""Checksums of files, and checksums inside JSON files, by which a changed value is noticed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

CHECKSUM = "sha256"
_START = b'{"sha256":"'
_HEAD = len(_START) + 64 + len('",')

UNREADABLE = (OSError, ValueError, KeyError, TypeError, RecursionError)
"""Errors that reading a damaged file may raise."""


def seal(values: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return an object as JSON text whose first value is the checksum of all others.

    The checksum is the SHA-256 of the compact JSON of the values, so neither indentation nor line ends change it.

    Args:
        values: JSON-serialisable values, by name; at least one.
        indent: As that of `json.dumps`.
    """
    text = json.dumps(values, allow_nan=False, indent=indent, separators=None if indent else (",", ":"))
    return f'{{"{CHECKSUM}":"{_checksum(values)}",{text[1:]}\n'


def bytes_of(path: Path) -> bytes:
    """Return the content of a file. The content of a pipe would never end.

    Raises:
        OSError, ValueError: The file is missing, or is not a file.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it must be a file, but it is something else")
    return path.read_bytes()


def unseal(content: bytes, *, since: int | None = None) -> dict[str, Any]:
    """Return the values of `seal`, without their checksum.

    Args:
        content: Content of the file.
        since: First `schema` with a mandatory checksum; `None` if it is optional.

    Raises:
        ValueError, RecursionError: The content is not a JSON object, or its checksum differs.
    """
    values = parsed(content)
    if not isinstance(values, dict):
        raise ValueError(f"it must be a JSON object, but it is {type(values).__name__}")
    checksum = values.pop(CHECKSUM, None)
    if checksum is None and since is not None and values.get("schema", 0) >= since:
        raise ValueError("it must have a checksum, but it has none")
    if checksum is not None and not is_as_written(content) and _checksum(values) != checksum:
        raise ValueError("its content must be what was written, but its checksum is that of another content")
    return values


def is_as_written(content: bytes) -> bool:
    """Return whether this is what `seal` returned without `indent`, byte for byte; nothing is parsed."""
    checksum = content[len(_START) : len(_START) + 64].decode("ascii", "replace")
    return content.startswith(_START) and _sha256(b"{" + content[_HEAD:].rstrip(b"\n")) == checksum


def encodable(value: Any) -> Any:
    """Return a value with lone surrogates in texts, also in those inside it, written as escapes, so that it can be
    encoded.
    """
    match value:
        case str() if not value.isascii():
            return value.encode(errors="backslashreplace").decode()
        case list():
            return [encodable(item) for item in value]
        case dict():
            return {encodable(name): encodable(item) for name, item in value.items()}
    return value


def parsed(content: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError, RecursionError: The text is not valid JSON.
    """
    try:
        return from_json(content)
    except ValueError:
        return json.loads(content)  # accepts lone surrogates too, and has clearer messages


def _checksum(values: Mapping[str, Any]) -> str:
    return _sha256(json.dumps(values, separators=(",", ":")).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
