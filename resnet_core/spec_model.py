"""The base of all specs: frozen, validated, flat, JSON-serialisable values."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from resnet_core.errors import UserError, first_mistake, nearest

Readers = Mapping[str, tuple[Callable[[Any], bool], str]]


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
            raise UserError(f"{type(self).__name__} has no field '{unknown[0]}'{nearest(unknown[0], known)}")
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise UserError(first_mistake(error)) from None

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with `changes`. A field that is no longer read is reset to its default."""
        fields = {**self.given(), **changes}
        while True:  # resetting one field may leave another without a reader
            changed = type(self).model_construct(**fields)
            lost = {name for name, (is_read, _) in self.readers().items() if name in fields and not is_read(changed)}
            if not lost - changes.keys():
                return type(self)(**fields)
            fields = {name: value for name, value in fields.items() if name not in lost - changes.keys()}

    @classmethod
    def readers(cls) -> Readers:
        """Return the conditions under which fields are read: by field, a test of the spec and its description.

        A field that is not read must have its default. Otherwise two different specs would describe the same thing.
        """
        return {}

    def unread(self) -> Iterator[str]:
        """Yield an error message for each field that is not read and differs from its default."""
        fields = type(self).model_fields  # which pydantic looks up at every access
        for field, (is_read, reader) in self.readers().items():
            default = fields[field].default
            if getattr(self, field) != default and not is_read(self):
                received = f"{field}={getattr(self, field)!r}"
                yield f"`{field}` is read with {reader} only, but got {received}; leave it at {default!r}"

    def given(self) -> dict[str, Any]:
        """Return the fields that were given when the spec was made, by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}

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

    @classmethod
    def parse_field(cls, name: str, text: str) -> Any:
        """Return the value of a field written as text, such as `16,32,64` or `none`.

        Raises:
            UserError: The text is not a legal value.
        """
        field = cls.model_fields[name]
        value: Any = text
        if get_origin(field.annotation) is tuple:
            value = [word for word in text.split(",") if word]
        elif text == "none" and type(None) in get_args(field.annotation):
            value = None
        return cls.checked_field(name, value)

    @classmethod
    def checked_field(cls, name: str, value: Any) -> Any:
        """Return a value converted to the type of a field, for example a list to a tuple.

        Raises:
            UserError: The value is illegal.
        """
        field = cls.model_fields[name]
        kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        try:
            return TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            raise UserError(first_mistake(error, name)) from None


def digest(*texts: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of `texts`."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
