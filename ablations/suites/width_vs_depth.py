"""Wide and shallow networks, and thin and deep networks with as many parameters.

Question  Are parameters better spent on width or on depth?
Source    Zagoruyko and Komodakis 2016, "Wide Residual Networks", section 3
Command   resnet-ablate run width-vs-depth --scale smoke

At smoke and laptop scale, widths are chosen such that the numbers of parameters are within 3 % of that of the deepest
network. At paper scale the networks are those of the paper: WRN-40-4 has 8.9 M parameters, WRN-16-8 11.0 M, and
WRN-28-10 36.5 M.
"""

from ablations.designs import paired
from ablations.scales import OF_THE_PAPER, WRN, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import wide


def net(depth: int, width: int) -> NetSpec:
    """Return an arm's network. WRN-depth-k has a width of 16 k."""
    return wide(depth, width)


small = {
    "With equally many parameters, 16 layers have a lower test error than 40.": (
        mean("test_error", depth=16) < mean("test_error", depth=40)
    ),
    "With equally many parameters, 10 layers have a lower test error than 40.": (
        mean("test_error", depth=10) < mean("test_error", depth=40)
    ),
    "With equally many parameters, 16 layers have a lower final training loss than 40.": (
        mean("train_loss", depth=16) < mean("train_loss", depth=40)
    ),
}
PAPER = "Zagoruyko and Komodakis 2016, table 5, means and deviations of channels"

study = Study(
    name="width-vs-depth",
    question="Are parameters better spent on width or on depth?",
    source="Zagoruyko and Komodakis 2016, section 3",
    net=net,
    scales={
        "smoke": smoke(
            design=paired(depth=(40, 16, 10), width=(16, 29, 44)),
            claims=small,
        ),
        "laptop": laptop(
            design=paired(depth=(40, 16, 10), width=(10, 18, 27)),
            claims=small,
        ),
        "paper": Scale(
            design=paired(depth=(40, 16, 28), width=(64, 128, 160)),
            train=WRN,
            seeds=5,
            claims={
                "WRN-16-8 has a lower test error than WRN-40-4.": (
                    mean("test_error", depth=16) < mean("test_error", depth=40)
                ),
                "WRN-28-10 has a lower test error than WRN-40-4.": (
                    mean("test_error", depth=28) < mean("test_error", depth=40)
                ),
            },
            published=(
                Published(PAPER, "test_error", {"depth": 40, "width": 64}, 0.0453, "median", 5),
                Published(PAPER, "test_error", {"depth": 16, "width": 128}, 0.0427, "median", 5),
                Published(PAPER, "test_error", {"depth": 28, "width": 160}, 0.0400, "median", 5),
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
