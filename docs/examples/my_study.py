"""Does the skip matter more in deeper networks?"""

from typing import Literal

from ablations import Scale, Study, grid, mean
from resnet_core import TrainSpec, cifar


def net(depth: int, skip: Literal["none", "A"]):
    return cifar(depth, width=8, skip=skip)


def gain(depth):
    return mean("test_error", depth=depth, skip="none") - mean("test_error", depth=depth, skip="A")


smoke = Scale(
    design=grid(depth=(8, 14), skip=("none", "A")),
    train=TrainSpec(data="digits", steps=300, batch_size=64, learning_rate=0.05),
    seeds=3,
    claims={"the skip lowers the error more at 14 layers than at 8": gain(14) > gain(8)},
)
study = Study("mine", "Does the skip matter more in deeper networks?", net, {"smoke": smoke})
