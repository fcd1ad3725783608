"""Ray clusters: connecting to one or starting one, and the room on its nodes."""

import math
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from resnet_core.errors import UserError
from resnet_core.runs.execution.job import Job

STORE_BYTES = 80 * 2**20  # object store of a Ray that is started here; messages are small
CONNECT_SECONDS = 10.0
STARTED_HERE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # so Ray listens on the loopback address only; read when it loads
    "RAY_worker_niceness": "0",  # that of `processes`; with Ray's 15, the runs stand still beside any other work
}
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the future default of Ray, which otherwise warns
}


@dataclass(frozen=True)
class Shape:
    """The resources of a node that an actor takes.

    Attributes:
        cpus: Number of threads of TensorFlow.
        gpus: Share of a GPU.
        memory: Memory in bytes.
    """

    cpus: int
    gpus: float = 0.0
    memory: int = 0

    @classmethod
    def from_job(cls, job: Job) -> "Shape":
        import ray

        gpus = ray.cluster_resources().get("GPU", 0.0)
        share = 1.0 / max(1, math.ceil((job.workers or 1) / gpus)) if gpus else 0.0
        return cls(job.threads, share, int((job.memory or 0) * 2**30))

    def __str__(self) -> str:
        parts = [f"{self.cpus} CPU{'s' if self.cpus > 1 else ''}"]
        parts += [f"{self.gpus:g} GPU"] if self.gpus else []
        parts += [f"{self.memory / 2**30:g} GiB"] if self.memory else []
        return " and ".join(parts)

    def fitting(self) -> int:
        """Return the number of actors for which the live nodes have room, if nothing else runs on them."""
        import ray

        takes = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return sum(min(int(node.get(name, 0) / take) for name, take in takes.items() if take) for node in nodes)


@contextmanager
def connected(address: str, cores: int) -> Iterator[None]:
    """Context manager with a connection to a cluster. Without an address, a cluster is started on this machine, with
    this number of cores. An existing connection is used.

    Raises:
        UserError: Ray is not installed, or there is no cluster of this version at the address.
    """
    for name, value in (SETTINGS if address else SETTINGS | STARTED_HERE).items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray._private.worker as ray_worker
    except ImportError as error:
        raise UserError(
            f"the executor ray needs the package ray ({error}); pip install 'resnet-ablation[ray]'"
        ) from None
    if ray.is_initialized():
        yield
        return
    here: dict[str, Any] = {"address": address}
    if not address:
        here = {"address": "local", "num_cpus": cores, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    printer = ray_worker.print_to_stdstream
    ray_worker.print_to_stdstream = lambda *_, **__: None  # no option silences the output of the nodes
    try:
        try:
            if ":" in address:  # Ray itself would retry for many minutes
                host, _, port = address.removeprefix("ray://").rpartition(":")
                socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
            with warnings.catch_warnings(action="ignore"):
                ray.init(**here, log_to_driver=False, logging_level="critical")
        except Exception as error:  # whatever Ray raises: versions that differ, a node that does not start in time
            where = f"at --address {address}" if address else "on this machine"
            reason = " ".join(str(error).split())[:300].removesuffix(".")
            do = "; see `ray status`, or leave out --address to start one on this machine" if address else ""
            raise UserError(f"the executor ray needs a cluster {where}, but: {reason}{do}") from None
        if main:
            signal.signal(signal.SIGTERM, handler)  # Ray has set its own
        yield
    finally:
        ray.shutdown()
        if main:
            signal.signal(signal.SIGTERM, handler)
        ray_worker.print_to_stdstream = printer
