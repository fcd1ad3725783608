"""The spaces of this project in a plain KerasTuner."""

from typing import Any

import keras
import keras_tuner
from pydantic import NonNegativeInt

from resnet_core.arguments import checked_class
from resnet_core.nets.keras_net import build
from resnet_core.runs.data import DataInfo
from resnet_core.runs.spec import TrainSpec
from search.limits import Limits
from search.oracles import oracle
from search.request import excess
from search.space import Space, Values
from search.spaces import DEFAULT, space_of

BEFORE = TrainSpec(steps=1)  # base training of a space; batch size and epochs are those of `Tuner.search`


@checked_class
class HyperModel(keras_tuner.HyperModel):  # type: ignore[misc]
    """Builds the networks of a space, compiled with its optimiser.

    Args:
        space: Name of a space, a user's file, or a `Space`.
        input_shape: Height, width and channels of an image.
        classes: Number of classes.
        limits: Bounds of the cost of a network. The oracle of `oracle` proposes only networks within them.
        seed: Seed of the initial weights.

    Raises:
        UserError: There is no such space.
    """

    def __init__(
        self,
        space: str | Space = DEFAULT,
        *,
        input_shape: tuple[int, ...],
        classes: int,
        limits: Limits | None = None,
        seed: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        rows, columns, channels = input_shape
        self.space = space if isinstance(space, Space) else space_of(space)
        self.data = DataInfo((rows, columns, channels), classes, 0)
        self.limits = limits or Limits()
        self.seed = seed

    def accepts(self, values: Values) -> bool:
        """Return whether the network of these values exists and is within the limits."""
        return excess(self.space, values, BEFORE, self.data, self.limits) <= 1

    def oracle(self, name: str, objective: Any = "val_accuracy", max_trials: int = 60, **options: Any) -> Any:
        """Return an oracle that proposes networks of the space within the limits; see `search.oracles.oracle`."""
        space = self.space.hyperparameters.copy()
        return oracle(name, objective, space, max_trials, self.seed, accepts=self.accepts, **options)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the compiled network of the values in `hp`.

        Raises:
            UserError: The values contradict each other.
        """
        net, train = self.space.declare(hp, BEFORE)
        model = build(net.replace(input_shape=self.data.input_shape, classes=self.data.classes), seed=self.seed)
        model.compile(
            optimizer=optimizer(train),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model


def optimizer(train: TrainSpec) -> keras.optimizers.Optimizer:
    """Return the Keras optimiser of a training. Its weight decay is decoupled, and applies to kernels only."""
    rate, decay = train.learning_rate, train.weight_decay or None
    if train.optimizer == "adamw":
        adamw = keras.optimizers.AdamW(rate, decay, train.beta_1, train.beta_2, train.epsilon)
    else:
        adamw = keras.optimizers.SGD(rate, train.momentum, train.nesterov, weight_decay=decay)
    if decay:
        adamw.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return adamw
