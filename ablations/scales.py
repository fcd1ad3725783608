"""Trainings and scales that several suites share."""

from functools import partial

from ablations.study import Scale
from resnet_core.runs.recipes import recipe
from resnet_core.runs.spec import TrainSpec

DIGITS = TrainSpec(data="digits", steps=300, batch_size=64, learning_rate=0.05, weight_decay=0.0)
"""`smoke`: some 15 epochs of the embedded 8x8 digits."""

DIGITS_RATES = (0.015, 0.05, 0.15)
"""The learning rates from which every arm of `smoke` chooses."""

smoke = partial(Scale, train=DIGITS, seeds=5, learning_rates=DIGITS_RATES)
"""Function that returns a `smoke` scale with a design and claims."""

CIFAR_16 = TrainSpec(
    data="cifar10", image_size=16, steps=2000, learning_rate=0.3, weight_decay=5e-4, schedule="one_cycle"
)
"""`laptop`: CIFAR-10 at half its size, 5.7 epochs of 45,000 images.

A residual network of 20 layers and width 8 reaches a test accuracy of 0.70. With seed 0, its validation accuracy is
0.35, 0.47, 0.54, 0.55, 0.67 and 0.71 after the epochs. Images are not augmented, since with crops by 4 of 16 pixels the
network does not fit the images in so few epochs (training and test accuracy are 0.60 after 1,500 steps).
"""

CIFAR_16_RATES = (0.03, 0.1, 0.3)
"""The learning rates from which every arm of `laptop` chooses."""

laptop = partial(Scale, train=CIFAR_16, seeds=3, learning_rates=CIFAR_16_RATES, trial_seeds=1, trial_share=0.25)
"""Function that returns a `laptop` scale with a design and claims.

One trial at each rate chooses; in suites in which arms may fail to train, two, if that does not take too long. A trial
has a quarter of the steps (`trial_share`), except in the suites that were run before there was a share. So a suite
takes at most 50 minutes on two cores, and all take 9 hours.

Compared on the five arms of activation-order at seed 1,000,000, trials of a quarter choose the same rate as whole ones
in two arms and the next rate in three; there, by the whole trials, the validation accuracy is .004 higher, .014 lower
and .027 lower.
"""

OF_THE_PAPER = "the learning rate is the paper's, at which its figures are; --learning-rates tunes every arm"
"""Why no learning rate is chosen at `paper` scale."""

HE_2015 = recipe("he2015", data="cifar10")
"""`paper`: He et al. 2015, section 4.2, with 45,000 training and 5,000 validation images."""

WRN = recipe("wrn", data="cifar10", validation_fraction=0.0)
"""`paper`: Zagoruyko and Komodakis 2016, on all 50,000 images, with means and deviations of channels, without ZCA."""

IMAGENET = TrainSpec(
    data="cifar10",
    image_size=224,
    validation_fraction=0.0,
    augmentation="crop_flip",
    epochs=90,
    batch_size=256,
    learning_rate_drops=(1 / 3, 2 / 3),
    nesterov=True,
    weight_decay_of="all",
)
"""`paper`: Gross and Wilber 2016, fb.resnet.torch, for ImageNet, which `--data DIR` must give; without it CIFAR-10 is
enlarged to the same size, and published figures do not apply. Its crops are of 224 of 232 pixels, not of any scale."""
