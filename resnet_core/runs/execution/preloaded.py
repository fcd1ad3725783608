"""What a worker needs, loaded in the server process that workers are forked from; see `workers`.

The server computes nothing: TensorFlow may be forked only before its first computation. An error here is left to the
worker, which loads what the server has not.
"""

import gc
from contextlib import suppress
from importlib import import_module

from resnet_core.runs.runtime import without_notices
from resnet_core.surroundings import check_backend, set_variables

with suppress(Exception):
    set_variables()
    check_backend()
    with without_notices():
        for name in (
            "keras",
            "pebble",
            "sklearn.datasets",
            "sklearn.model_selection",
            "resnet_core.runs.training.train",
        ):
            import_module(name)
gc.collect()
gc.freeze()  # a collection of a worker would copy it
