"""What `GradientsByDepth` costs in a stock `fit`, when it measures every step: `python -m benchmarks.gradients_in_fit`.

Two models of the same network are trained in turns, one with the callback, and the processor time of the steps is
compared: a median over the turns, which other work on the machine disturbs less than wall time.
"""

import argparse
import resource
from statistics import median

import keras
import numpy as np

from resnet_core import build, cifar, probes


def seconds(model: keras.Model, x: np.ndarray, y: np.ndarray, callbacks: list[keras.callbacks.Callback]) -> float:
    """Return the processor time of one epoch, the first step of which is traced already."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    model.fit(x, y, batch_size=64, epochs=1, shuffle=False, verbose=0, callbacks=callbacks)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    x = random.normal(size=(64 * options.steps, 32, 32, 3)).astype("float32")
    y = random.integers(0, 10, len(x))
    times: dict[str, list[float]] = {"without": [], "with": []}
    for turn in range(options.turns):
        for name in ("without", "with") if turn % 2 else ("with", "without"):
            model = build(cifar(options.depth))
            model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            callbacks = [probes.GradientsByDepth(every=1)] if name == "with" else []
            traced = seconds(model, x[:64], y[:64], callbacks)  # the callback has the step traced anew at every `fit`
            times[name].append(seconds(model, x, y, callbacks) - traced * (name == "with"))
    without, measured = median(times["without"]), median(times["with"])
    print(
        f"processor time of {options.steps} steps of resnet{options.depth}: {without:.2f} s, {measured:.2f} s measured"
    )
    print(f"{100 * (measured / without - 1):+.1f} % with the gradients of every step")


if __name__ == "__main__":
    main()
