"""How far a measurement is: the passes of images through a network that have been made. Loads no TensorFlow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Tell = Callable[[float], None]
_tell: ContextVar[Tell | None] = ContextVar("tell", default=None)


@contextmanager
def counted(tell: Tell) -> Iterator[None]:
    """Context manager in which `tell` is called after every pass.

    Args:
        tell: Takes the sum of the passes so far: of each, its number of images times its share of the network.
    """
    total = 0.0

    def add(passes: float) -> None:
        nonlocal total
        total += passes
        tell(total)

    before = _tell.set(add)
    try:
        yield
    finally:
        _tell.reset(before)


def passed(images: int | None, share: float = 1.0) -> None:
    """Count a pass of these images through a share of the network; no pass is counted while it is traced."""
    add = _tell.get()
    if add is not None and images is not None:
        add(images * share)
