"""The order of normalisation, activation and addition.

Question  Which order of normalisation, activation and addition trains best?
Source    He et al. 2016, "Identity Mappings in Deep Residual Networks", section 4, tables 2 and 4
Command   resnet-ablate run activation-order --scale smoke
"""

from typing import get_args

from ablations.designs import grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec, Order
from resnet_core.nets.zoo import preactivation


def net(depth: int, order: Order, width: int = 16) -> NetSpec:
    """Return an arm's network: basic blocks to 110 layers, bottlenecks from 164 on."""
    return preactivation(depth, width, order=order)


ORDERS: tuple[Order, ...] = get_args(Order)


def claims_of(depth: int) -> dict[str, Claim]:
    """Return the claims of section 4 on networks of this depth."""

    def measured(measure: str, order: Order) -> Contrast:
        return mean(measure, depth=depth, order=order)

    words = f"With {depth} layers, the"
    return {
        f"{words} test error is lower with full pre-activation than with the original order.": (
            measured("test_error", "full_preactivation") < measured("test_error", "original")
        ),
        f"{words} final training loss is higher with full pre-activation than with the original order.": (
            measured("train_loss", "full_preactivation") > measured("train_loss", "original")
        ),
        f"{words} test error is higher with the normalisation after the addition than with the original order.": (
            measured("test_error", "bn_after_addition") > measured("test_error", "original")
        ),
        f"{words} test error is higher with the activation before the addition than with the original order.": (
            measured("test_error", "relu_before_addition") > measured("test_error", "original")
        ),
    }


ERRORS: dict[Order, tuple[float, float]] = {  # of 110 and of 164 layers
    "original": (0.0661, 0.0593),
    "bn_after_addition": (0.0817, 0.0650),
    "relu_before_addition": (0.0784, 0.0614),
    "relu_only_preactivation": (0.0671, 0.0591),
    "full_preactivation": (0.0637, 0.0546),
}
TABLE_2 = "He et al. 2016, table 2"
DEEPEST: dict[Order, float] = {"original": 0.0761, "full_preactivation": 0.0492}

study = Study(
    name="activation-order",
    question="Which order of normalisation, activation and addition trains best?",
    source="He et al. 2016, section 4",
    net=net,
    scales={
        "smoke": smoke(
            design=grid(depth=(56,), order=ORDERS, width=(8,)),
            claims=claims_of(56),
        ),
        "laptop": laptop(
            design=grid(depth=(20,), order=ORDERS, width=(8,)),
            claims=claims_of(20),
            trial_share=1.0,
        ),
        "paper": Scale(
            design=grid(depth=(110, 164), order=ORDERS) + grid(depth=(1001,), order=tuple(DEEPEST)),
            train=HE_2015,
            seeds=5,
            claims={
                **claims_of(110),
                **claims_of(164),
                "Full pre-activation lowers the test error by more with 1001 layers than with 164.": (
                    mean("test_error", depth=1001, order="original")
                    - mean("test_error", depth=1001, order="full_preactivation")
                    > mean("test_error", depth=164, order="original")
                    - mean("test_error", depth=164, order="full_preactivation")
                ),
                "With 110 layers, the test errors with the original order and with activation alone before the branch "
                "differ by less than 0.005.": (
                    mean("test_error", depth=110, order="relu_only_preactivation")
                    - mean("test_error", depth=110, order="original")
                ).within(0.005),
            },
            published=(
                *(
                    Published(TABLE_2, "test_error", {"depth": depth, "order": order}, error, "median", 5)
                    for order, errors in ERRORS.items()
                    for depth, error in zip((110, 164), errors, strict=True)
                ),
                *(
                    Published("He et al. 2016, table 4", "test_error", {"depth": 1001, "order": order}, error)
                    for order, error in DEEPEST.items()
                ),
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
