"""What `GradientsByDepth` costs in `fit`, when it measures every step: `python -m benchmarks.gradients_in_fit`.

Two models of one network make their steps in turns, a few at a time, one with the callback. What is compared is the
processor time of the turns, which other work on the machine disturbs less than wall time, and of which there are many.
"""

import argparse
import time
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from resnet_core import build, cifar, probes
from resnet_core.runs.runtime import configure

STEPS = 10
"""Of a turn."""


class Turns:
    """The training of one model, as `fit` does it, in turns of some steps."""

    def __init__(self, spec: object, batch: object, callback: keras.callbacks.Callback | None) -> None:
        self.model, self.callback = build(spec), callback
        self.model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        self.model.fit(*batch, batch_size=len(batch[1]), shuffle=False, verbose=0)  # makes the optimiser's variables
        if callback is not None:
            callback.set_model(self.model)
            callback.on_train_begin()
        self.model.make_train_function()
        self.batches: Iterator[object] = iter(tf.data.Dataset.from_tensors(batch).cache().repeat())

    def __call__(self) -> float:
        """Make some steps, and return their processor time in seconds."""
        before = time.process_time()
        for step in range(STEPS):
            logs = {name: float(value) for name, value in self.model.train_function(self.batches).items()}
            if self.callback is not None:
                self.callback.on_train_batch_end(step, logs)
        return time.process_time() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--turns", type=int, default=30)
    options = parser.parse_args()
    configure(1)
    spec = cifar(options.depth, options.width, input_shape=(options.image_size, options.image_size, 3))
    random = np.random.default_rng(0)
    images = random.normal(size=(options.batch_size, *spec.input_shape)).astype("float32")
    batch = images, random.integers(0, 10, options.batch_size)
    without, measured = Turns(spec, batch, None), Turns(spec, batch, probes.GradientsByDepth(every=1))
    times: dict[Turns, list[float]] = {without: [], measured: []}
    for turn in range(options.turns + 1):
        for each in (without, measured) if turn % 2 else (measured, without):
            times[each].append(each())
    plain, probed = (np.median(times[each][1:]) / STEPS * 1e3 for each in (without, measured))  # the first is traced
    print(f"processor time of a step: {plain:.2f} ms, {probed:.2f} ms with the gradients of every step")
    print(f"{100 * (probed / plain - 1):+.1f} % (medians of {options.turns} turns of {STEPS} steps)")


if __name__ == "__main__":
    main()
