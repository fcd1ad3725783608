"""The base of all specs: frozen, validated, flat, JSON-serialisable values."""

import hashlib
import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from resnet_core.errors import UserError, first_mistake, nearest


class Spec(BaseModel):
    """A frozen value. Its fields are flat, so that they become columns of a table.

    Raises:
        UserError: A field is unknown or has an illegal value, or two fields contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def __init__(self, **fields: Any) -> None:
        unknown = sorted(set(fields) - set(type(self).model_fields))
        if unknown:
            known = type(self).model_fields
            raise UserError(
                f"{type(self).__name__} has no field '{unknown[0]}'{nearest(unknown[0], known)}"
            )
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise UserError(first_mistake(error)) from None

    def replace(self, **changes: Any) -> Self:
        """Return a copy in which `changes` are made, validated as a new one."""
        return type(self)(**{**self.model_dump(), **changes})

    def canonical_json(self, *, exclude: frozenset[str] = frozenset()) -> str:
        """Return the JSON of the fields that differ from their defaults, sorted by name.

        Equal specs give equal text, and a field that a later version adds leaves the text of the
        specs that do not use it as it was. So a default, once released, never changes.
        """
        fields = self.model_dump(mode="json", exclude_defaults=True, exclude=set(exclude))
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the spec whose `model_dump_json` (or `canonical_json`) is `text`."""
        return cls(**json.loads(text))


def digest(*texts: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of `texts`."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
