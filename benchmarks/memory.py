"""The memory of a worker that trains one network after another, all of other shapes: `python -m benchmarks.memory [N]`.

The peak resident set of the process, by the records of its runs; it begins anew where the process does.
"""

import sys
import tempfile
from pathlib import Path

from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.execution.executors import processes
from resnet_core.runs.execution.job import Job
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec

NETWORKS = 120
TRAIN = TrainSpec(steps=3, batch_size=64, train_size=200)


def peaks(networks: int = NETWORKS) -> list[float]:
    """Return the peak memory of the process after each network, in MB, in the order of the networks."""
    probe = ProbeSpec(steps=(0,), each_epoch=False)
    nets = [NetSpec(depths=(2, 2), widths=(4 + i, 8 + i), input_shape=(8, 8, 1)) for i in range(networks)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        todo = Todo([Run(net, TRAIN, probe) for net in nets], store)
        taken = []
        for record in processes(todo, Job(store), lambda run, progress: None):
            todo.finish(record.run)
            taken.append(record.usage["peak_memory_bytes"] / 1e6)
            if len(taken) % 10 == 1:
                print(f"network {len(taken)}: {taken[-1]:.0f} MB", flush=True)
    return taken


if __name__ == "__main__":
    print(f"at most {max(peaks(*map(int, sys.argv[1:]))):.0f} MB")
