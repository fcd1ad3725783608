"""One run is data: how a network is trained (`TrainSpec`), and all of it together (`Run`)."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.spec_model import Spec, digest

Fraction = Annotated[float, Field(ge=0, lt=1)]


class TrainSpec(Spec):
    """How a network is trained.

    Attributes:
        data: Name of a data set, or path of an `.npz` file or a folder of images.
        data_sha256: Hash of the decoded data; a run is identified by it and not by `data`.
        image_size: Height and width to which images are resized; none leaves them.
        train_size: Number of training images to use, a stratified choice; none takes all.
        validation_fraction: Share of them that is kept aside, stratified, for the curves.
        split_seed: Seed of both choices.
        preprocessing: `channel`: subtract the mean of each channel and divide by its deviation.
            `pixel_mean`: subtract the mean image, after scaling to [0, 1] (He et al. 2015). Both
            are of the training images.
        augmentation: `crop_flip`: pad by 4, crop at random, flip half of the images (He et al. 2015).
        steps: Number of updates. Exactly one of `steps` and `epochs` is given.
        epochs: Number of passes over the training images; the last, partial batch of each is left out.
        batch_size: Images in an update.
        learning_rate: That of stochastic gradient descent, v <- m v + g, w <- w - lr v, as in Torch.
        momentum: The m above.
        weight_decay: The d in g <- g + d w, for kernels alone (He et al. 2015).
        learning_rate_drops: Shares of the budget after which the learning rate is divided by 10.
        warmup_steps: Updates made at `warmup_learning_rate` first.
        warmup_learning_rate: As said.
        init_seed: Seed of the initial weights; none takes the seed of the run.
        data_seed: Seed of the order of batches, of the augmentation and of the choice of the probed
            batch; none takes the seed of the run.
    """

    data: Annotated[str, Field(min_length=1)] = "digits"
    data_sha256: str = ""
    image_size: Annotated[int, Field(ge=1, le=2048)] | None = None
    train_size: PositiveInt | None = None
    validation_fraction: Fraction = 0.1
    split_seed: NonNegativeInt = 0
    preprocessing: Literal["channel", "pixel_mean"] = "channel"
    augmentation: Literal["none", "crop_flip"] = "none"
    steps: PositiveInt | None = None
    epochs: PositiveInt | None = None
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: PositiveFloat = 0.1
    momentum: Fraction = 0.9
    weight_decay: NonNegativeFloat = 1e-4
    learning_rate_drops: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    warmup_steps: NonNegativeInt = 0
    warmup_learning_rate: PositiveFloat = 0.01
    init_seed: NonNegativeInt | None = None
    data_seed: NonNegativeInt | None = None

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise UserError(
                f"exactly one of `steps` and `epochs` must be set, but got steps={self.steps} and epochs={self.epochs}"
            )
        return self

    def total_steps(self, train_images: int) -> int:
        """Return the number of updates for this many training images."""
        return self.steps if self.steps is not None else (self.epochs or 0) * (train_images // self.batch_size)

    def learning_rate_at(self, step: int, total_steps: int) -> float:
        """Return the learning rate of update `step`, counted from 0."""
        if step < self.warmup_steps:
            return self.warmup_learning_rate
        drops = sum(step >= drop * total_steps for drop in self.learning_rate_drops)
        return self.learning_rate * 0.1**drops


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        net, train, probe: What is trained, how, and what is measured.
        seed: Seed of everything that has none of its own in `train`.
        code: Hash of the user's own code that the run depends on; empty if it depends on none.
        factors: What the study varies, by name: labels for its tables, no part of the identity.
    """

    net: NetSpec
    train: TrainSpec
    probe: ProbeSpec = field(default_factory=ProbeSpec)
    seed: int = 0
    code: str = ""
    factors: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits; runs of equal specs, seeds and data content share them."""
        elsewhere = {"init_seed", "data_seed", *(["data"] if self.train.data_sha256 else [])}
        train = self.train.canonical_json(exclude=frozenset(elsewhere))
        seeds = f"{self.init_seed} {self.data_seed}"
        code = (self.code,) if self.code else ()
        return digest("run/1", self.net.canonical_json(), train, self.probe.canonical_json(), seeds, *code)

    @property
    def label(self) -> str:
        """What tells a run from the others of its study, for people."""
        return " ".join(f"{name}={value}" for name, value in {**self.factors, "seed": self.seed}.items())

    @property
    def init_seed(self) -> int:
        return self.seed if self.train.init_seed is None else self.train.init_seed

    @property
    def data_seed(self) -> int:
        return self.seed if self.train.data_seed is None else self.train.data_seed

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON-serialisable values."""
        return {
            "net": self.net.model_dump(mode="json"),
            "train": self.train.model_dump(mode="json"),
            "probe": self.probe.model_dump(mode="json"),
            "seed": self.seed,
            "code": self.code,
            "factors": self.factors,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the run whose `to_dict` is `values`."""
        return cls(
            net=NetSpec(**values["net"]),
            train=TrainSpec(**values["train"]),
            probe=ProbeSpec(**values["probe"]),
            seed=values["seed"],
            code=values["code"],
            factors=values["factors"],
        )
