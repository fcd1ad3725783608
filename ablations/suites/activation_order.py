"""Where normalisation and activation stand.

Question  Which order of normalisation, activation and addition trains best?
Source    He et al. 2016, "Identity Mappings in Deep Residual Networks", section 4, tables 2 and 4
Command   resnet-ablate run activation-order --scale smoke
Cost      25 runs, 3 minutes on two cores at smoke scale
Finding   At smoke scale, of 56 layers, the mean training loss is 0.10 lower with full pre-activation than with the
          original order, 1.0 higher with the normalisation after the addition, 2.1 higher with the activation before
          it
"""

from typing import get_args

from ablations.designs import grid
from ablations.scales import CIFAR_16, DIGITS, HE_2015
from ablations.study import Published, Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec, Order
from resnet_core.nets.zoo import preactivation


def net(depth: int, order: Order, width: int = 16) -> NetSpec:
    """Return an arm's network: basic blocks to 110 layers, bottlenecks from 164 on."""
    return preactivation(depth, width, order=order)


ORDERS: tuple[Order, ...] = get_args(Order)

small = {
    "the mean training loss is lower with full pre-activation than with the original order": (
        mean("mean_loss", order="full_preactivation") < mean("mean_loss", order="original")
    ),
    "it is higher with the normalisation after the addition than with the original order": (
        mean("mean_loss", order="bn_after_addition") > mean("mean_loss", order="original")
    ),
    "it is higher with the activation before the addition than with the original order": (
        mean("mean_loss", order="relu_before_addition") > mean("mean_loss", order="original")
    ),
}
ERRORS: dict[Order, tuple[float, float]] = {  # of 110 and of 164 layers
    "original": (0.0661, 0.0593),
    "bn_after_addition": (0.0817, 0.0650),
    "relu_before_addition": (0.0784, 0.0614),
    "relu_only_preactivation": (0.0671, 0.0591),
    "full_preactivation": (0.0637, 0.0546),
}
DEEPEST: dict[Order, float] = {"original": 0.0761, "full_preactivation": 0.0492}

study = Study(
    name="activation-order",
    question="Which order of normalisation, activation and addition trains best?",
    source="He et al. 2016, section 4",
    net=net,
    scales={
        "smoke": Scale(
            design=grid(depth=(56,), order=ORDERS, width=(8,)),
            train=DIGITS,
            seeds=5,
            cost="25 runs, 3 minutes on two cores",
            claims=small,
        ),
        "laptop": Scale(design=grid(depth=(20, 56), order=ORDERS, width=(8,)), train=CIFAR_16, seeds=3, claims=small),
        "paper": Scale(
            design=grid(depth=(110, 164), order=ORDERS) + grid(depth=(1001,), order=tuple(DEEPEST)),
            train=HE_2015,
            seeds=5,
            claims={
                "of 164 layers, the test error is lower with full pre-activation than with the original order": (
                    mean("test_error", depth=164, order="full_preactivation")
                    < mean("test_error", depth=164, order="original")
                ),
                "by more so with 1001 layers": (
                    mean("test_error", depth=1001, order="original")
                    - mean("test_error", depth=1001, order="full_preactivation")
                    > mean("test_error", depth=164, order="original")
                    - mean("test_error", depth=164, order="full_preactivation")
                ),
                "of 110 layers, it is higher with the normalisation after the addition": (
                    mean("test_error", depth=110, order="bn_after_addition")
                    > mean("test_error", depth=110, order="original")
                ),
                "of 110 layers, activation alone before the branch differs from the original by less than 0.005": (
                    mean("test_error", depth=110, order="relu_only_preactivation")
                    - mean("test_error", depth=110, order="original")
                ).within(0.005),
            },
            published=(
                *(
                    Published("He et al. 2016, table 2, median of 5", "test_error", {"depth": depth, "order": order}, e)
                    for order, errors in ERRORS.items()
                    for depth, e in zip((110, 164), errors, strict=True)
                ),
                *(
                    Published("He et al. 2016, table 4", "test_error", {"depth": 1001, "order": order}, e)
                    for order, e in DEEPEST.items()
                ),
            ),
        ),
    },
)
