"""Exceptions that end a run before its last step, as an outcome."""


class Diverged(Exception):
    """Raised if the loss, or another result, is not finite after `step` updates."""

    def __init__(self, step: int, value: float, name: str = "loss") -> None:
        super().__init__(f"the {name} was {value} at step {step}")
        self.step = step


class Pruned(Exception):
    """Raised if a run is not worth its remaining epochs."""
