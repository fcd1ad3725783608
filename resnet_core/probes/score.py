"""`Score`: loss and error of a network on some images."""

from dataclasses import dataclass


@dataclass
class Score:
    """Number of images, sum of their cross-entropies, and number of wrong predictions."""

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
        """Fraction of wrong predictions."""
        return self.wrong / self.images
