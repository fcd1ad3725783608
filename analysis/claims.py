"""A claim is an inequality between means, or rates, of arms. It is written as an expression and judged by `verdicts`.

mean("train_error", depth=56, skip="none") > mean("train_error", depth=20, skip="none")
rate("failed", depth=56, skip="none") > 0.5
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from pydantic import TypeAdapter, ValidationError

from analysis.measures import FAILED, MEASURES, find
from resnet_core.arguments import checked, line_of_caller
from resnet_core.errors import UserError, nearest

Relation = Literal[">", "<", "within"]


@dataclass(frozen=True)
class Term:
    """A mean over arms, times a factor.

    Attributes:
        factor: Number by which the mean is multiplied.
        levels: Levels by factor. The mean is over all arms that have these levels.
    """

    factor: float
    levels: dict[str, Any]

    def __str__(self) -> str:
        return " ".join(f"{name}={level}" for name, level in self.levels.items()) or "all arms"


@dataclass(frozen=True, eq=False)
class Contrast:
    """A linear combination of means of one measure."""

    measure: str
    terms: tuple[Term, ...]

    def __add__(self, other: Self) -> Self:
        if not isinstance(other, Contrast):
            raise UserError(
                f"a contrast is a sum of means, but got {other!r}; write numbers as the bound: mean(…) - mean(…) > 0.1"
            )
        if other.measure != self.measure:
            raise UserError(f"a contrast must be of one measure, but got '{self.measure}' and '{other.measure}'")
        return replace(self, terms=(*self.terms, *other.terms))

    def __mul__(self, factor: float) -> Self:
        return replace(self, terms=tuple(replace(term, factor=factor * term.factor) for term in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Self:
        return self * (1 / divisor)

    def __neg__(self) -> Self:
        return self * -1

    def __sub__(self, other: Self) -> Self:
        return self + -other

    def __gt__(self, other: "Contrast | float") -> "Claim":
        return self._than(other, ">")

    def __lt__(self, other: "Contrast | float") -> "Claim":
        return self._than(other, "<")

    def within(self, margin: float) -> "Claim":
        """Return the claim that the contrast is between -margin and margin."""
        if not margin > 0:
            raise UserError(f"a margin must be above 0, but got {margin}")
        return Claim("", self.measure, self.terms, "within", margin, line=line_of_caller(__file__))

    def _than(self, other: "Contrast | float", relation: Relation) -> "Claim":
        contrast, bound = (self - other, 0.0) if isinstance(other, Contrast) else (self, float(other))
        return Claim("", self.measure, contrast.terms, relation, bound, line=line_of_caller(__file__))


@dataclass(frozen=True)
class Claim:
    """The claim that a contrast is above a bound, below it, or within ± the bound.

    Attributes:
        text: The claim in words.
        measure: See `mean`.
        terms: The terms of the contrast.
        relation: Relation to the bound.
        bound: Bound, in the unit of the measure.
        line: Line of the user's file on which the claim is written.
    """

    text: str
    measure: str
    terms: tuple[Term, ...]
    relation: Relation
    bound: float
    line: int = field(default=0, compare=False)

    def __bool__(self) -> bool:
        raise UserError("a claim must be one inequality, but two were chained; write a claim for each")

    def to_dict(self) -> dict[str, Any]:
        """Return the claim as JSON-serialisable values."""
        return {name: value for name, value in asdict(self).items() if name != "line"}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the claim whose `to_dict` is `values`.

        Raises:
            UserError: `values` do not describe a claim.
        """
        try:
            claim: Self = TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            raise UserError(f"a claim must be one of this program's, but got {dict(values)}: {error}") from None
        _check_measure(claim.measure)
        return claim

    def __str__(self) -> str:
        name = f"rate of {self.measure}" if self.measure == FAILED else self.measure
        sides = [(term.factor, f"{name}({term})") for term in self.terms]
        left = " + ".join(f"{'' if factor == 1 else f'{factor:g}·'}{text}" for factor, text in sides if factor > 0)
        right = " + ".join(f"{'' if factor == -1 else f'{-factor:g}·'}{text}" for factor, text in sides if factor < 0)
        if self.relation == "within":
            return f"|{left} − ({right})| < {self.bound:g}" if right else f"|{left}| < {self.bound:g}"
        bound = f" + {self.bound:g}" if right and self.bound else "" if right else f"{self.bound:g}"
        return f"{left} {self.relation} {right}{bound}"


@checked
def mean(measure: str, **levels: Any) -> Contrast:
    """Return the mean of a measure over the arms that have `levels`, averaged over all other factors.

    Args:
        measure: A name in `analysis.measures.MEASURES`, such as `test_error`, or a measure of a probe's rows, such as
            `lesion.largest` (see `analysis.of_probes`).
        levels: The level of each factor.

    Raises:
        UserError: No measure has this name.
    """
    _check_measure(measure)
    if measure == FAILED:
        raise UserError(f"a mean must be of a measure of runs, but got '{FAILED}'; write rate(\"{FAILED}\", …)")
    return Contrast(measure, (Term(1.0, levels),))


@checked
def rate(outcome: str, **levels: Any) -> Contrast:
    """Return the rate of failed training in the arms that have `levels`, averaged over all other factors.

    rate("failed", depth=56, skip="none") > rate("failed", depth=56, skip="A") is judged by exact tests.

    Args:
        outcome: Must be `failed`: the run diverged or failed to train (see `resnet_core.runs.records.outcomes`).
        levels: The level of each factor.

    Raises:
        UserError: `outcome` is not `failed`.
    """
    if outcome != FAILED:
        raise UserError(f"a rate must be that of '{FAILED}', but got '{outcome}'")
    return Contrast(FAILED, (Term(1.0, levels),))


def _check_measure(name: str) -> None:
    if find(name) is None:
        raise UserError(
            f"a claim must be of a measure, but got '{name}'{nearest(name, MEASURES)} (or PROBE.STATISTIC, as "
            "lesion.largest)"
        )
