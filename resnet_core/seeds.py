"""Random streams that are a function of a seed and a label, never of what was drawn before.

Every draw of a run comes from ``generator(seed, *labels)``: the order of batches is
``generator(data_seed, "order", epoch)``, the initial weights of a layer are
``generator(init_seed, "init", "stage1_block1_conv1/kernel")``. A run can therefore start in the
middle, share a process with others, or share its data order with another architecture.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def generator(seed: int, *labels: str | int) -> np.random.Generator:
    """Return the random generator of one stream.

    Args:
        seed: A non-negative integer.
        labels: What the stream is for. Different labels give independent streams.
    """
    words = [int.from_bytes(str(label).encode(), "little") for label in labels]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=words))


@contextmanager
def global_numbers_kept() -> Iterator[None]:
    """Context manager that restores the global random states of Python and NumPy. A new Keras layer draws its seed
    from them.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
