"""Claims of a study on the arms that a user has asked for."""

import pytest

from ablations.carrying import carried
from ablations.designs import grid
from ablations.suites.depth import study
from analysis.claims import mean

CLAIMS = {
    "Of 56 layers, A is lower.": mean("test_error", depth=56, skip="A") < mean("test_error", depth=56, skip="none"),
    "It rises by 0.56 from 20 to 56 layers.": mean("test_error", depth=56) - mean("test_error", depth=20) > 0.56,
    "A is low.": mean("test_error", skip="A") < 0.5,
}


def messages(*depths, skips=("none", "A")):
    kept, left = carried(CLAIMS, grid(depth=depths, skip=skips).arms())
    return [(claim.text, str(claim)) for claim in kept], list(left)


def test_claims_stay_as_they_are_where_their_arms_are_there():
    assert messages(20, 32, 56) == ([(text, str(claim)) for text, claim in CLAIMS.items()], [])


@pytest.mark.parametrize(("least", "greatest"), [(8, 20), (20, 110), (8, 110)])
def test_extreme_levels_go_to_the_extreme_levels_that_are_asked_for(least, greatest):
    kept, left = messages(least, (least + greatest) // 2, greatest)
    assert left == []
    assert kept == [
        (
            f"Of {greatest} layers, A is lower. (The study's own claim: depth 56.)",
            f"test_error(depth={greatest} skip=A) < test_error(depth={greatest} skip=none)",
        ),
        (
            f"It rises by 0.56 from {least} to {greatest} layers. (The study's own claim: depth 20, 56.)",
            f"test_error(depth={greatest}) > test_error(depth={least}) + 0.56",
        ),
        ("A is low.", "test_error(skip=A) < 0.5"),
    ]


def test_what_cannot_be_carried_over_is_named_with_the_reason():
    kept, left = messages(8)
    assert [text for text, _ in kept] == ["Of 8 layers, A is lower. (The study's own claim: depth 56.)", "A is low."]
    assert left == [
        "a claim is left out, since it compares depth=56 with depth=20, which here are one arm: "
        "It rises by 0.56 from 20 to 56 layers."
    ]
    _, left = messages(20, 56, skips=("A", "B"))
    assert left == ["a claim is left out, since no arm has depth=56 skip=none: Of 56 layers, A is lower."]


@pytest.mark.parametrize("scale", study.scales)
def test_all_claims_of_the_depth_study_are_carried_over_to_two_depths(scale):
    claims = study.scales[scale].claims
    kept, left = carried(claims, grid(depth=(8, 20), skip=("none", "A")).arms())
    assert (len(kept), left) == (len(claims), ())
