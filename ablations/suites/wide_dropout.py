"""Dropout between the convolutions of the branches of wide networks.

Question  Does dropout within the branch help a residual network, and does it help at every width?
Source    Zagoruyko and Komodakis 2016, "Wide Residual Networks", section 3, "Dropout in residual blocks"
Command   resnet-ablate run wide-dropout --scale smoke
"""

from ablations.designs import grid, paired
from ablations.scales import OF_THE_PAPER, WRN, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import wide


def net(depth: int, width: int, dropout: float) -> NetSpec:
    """Return an arm's network. WRN-depth-k has a width of 16 k."""
    return wide(depth, width, dropout=dropout)


RATES = (0.0, 0.3)


def claims(thinnest: int, widest: int) -> dict[str, Claim]:
    """Return the claims for the thinnest and the widest net."""

    def gain(measure: str, width: int) -> Contrast:
        return mean(measure, width=width, dropout=0.3) - mean(measure, width=width, dropout=0.0)

    return {
        "The test error of the widest net is lower with dropout.": gain("test_error", widest) < 0,
        "The test error of the thinnest net is higher with dropout.": gain("test_error", thinnest) > 0,
        "The final training loss of the widest net is higher with dropout.": gain("train_loss", widest) > 0,
    }


PAPER = "Zagoruyko and Komodakis 2016, table 6, means and deviations of channels"
ERRORS = {16: (0.0502, 0.0524), 28: (0.0400, 0.0389), 52: (0.0643, 0.0628)}  # without and with, by depth

study = Study(
    name="wide-dropout",
    question="Does dropout within the branch help a residual network, and does it help at every width?",
    source="Zagoruyko and Komodakis 2016, section 3",
    net=net,
    scales={
        "smoke": smoke(
            design=grid(depth=(16,), width=(8, 32), dropout=RATES),
            claims=claims(8, 32),
        ),
        "laptop": laptop(
            design=grid(depth=(16,), width=(8, 24), dropout=RATES),
            claims=claims(8, 24),
        ),
        "paper": Scale(
            design=paired(depth=(16, 28, 52), width=(64, 160, 16)) * grid(dropout=RATES),
            train=WRN,
            seeds=5,
            claims={
                "The test error of WRN-28-10 is lower with dropout.": (
                    mean("test_error", depth=28, dropout=0.3) < mean("test_error", depth=28, dropout=0.0)
                ),
                "The test error of WRN-52-1 is lower with dropout.": (
                    mean("test_error", depth=52, dropout=0.3) < mean("test_error", depth=52, dropout=0.0)
                ),
                "The test error of WRN-16-4 is higher with dropout.": (
                    mean("test_error", depth=16, dropout=0.3) > mean("test_error", depth=16, dropout=0.0)
                ),
            },
            published=tuple(
                Published(PAPER, "test_error", {"depth": depth, "dropout": rate}, error, "median", 5)
                for depth, errors in ERRORS.items()
                for rate, error in zip(RATES, errors, strict=True)
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
