"""The modules that the server process loads, from which workers are forked; see `workers`.

The server does not compute, since a process with TensorFlow may be forked only before its first computation. An error
is ignored here, since a worker loads the modules that the server has not loaded.
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
gc.freeze()  # otherwise a garbage collection in a worker would copy the memory
