"""How well a network does on some images."""

from dataclasses import dataclass


@dataclass
class Score:
    """Sums over images of the cross-entropy and of wrong answers."""

    images: int = 0
    total_loss: float = 0.0
    wrong: float = 0.0

    def add(self, other: "Score") -> None:
        """Add the sums of other images."""
        self.images += other.images
        self.total_loss += other.total_loss
        self.wrong += other.wrong

    @property
    def loss(self) -> float:
        """Mean cross-entropy."""
        return self.total_loss / self.images

    @property
    def error(self) -> float:
        """Share of wrong answers."""
        return self.wrong / self.images
