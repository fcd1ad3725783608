"""One run is data: how a network is trained (`TrainSpec`), and all of it together (`Run`)."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from resnet_core.errors import UserError
from resnet_core.nets.registry import code_of
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.reading import FIELDS as READING
from resnet_core.runs.reading import DataFormat, Reading, colour
from resnet_core.runs.rules import READ
from resnet_core.runs.training.schedules import cosine, drops, one_cycle
from resnet_core.spec_model import Readers, Spec, digest

Fraction = Annotated[float, Field(ge=0, lt=1)]
Inside = Annotated[float, Field(gt=0, lt=1)]


class TrainSpec(Spec):
    """How a network is trained.

    Attributes:
        data: Name of a data set, or path of an `.npz` file or a folder of images.
        data_sha256: Hash of the decoded data; a run is identified by it and not by `data`.
        image_size: Height and width to which images are resized; none leaves them.
        background: Colour on which transparent images of a folder are composited: `white`, `black`, `#rrggbb`.
        skip_damaged: Whether images of a folder that cannot be decoded are left out, and listed; else they are an
            error.
        data_format: Where images of an `.npz` file have their channels, `channels_last` or `channels_first`; none
            tells it from their shape, and refuses what is not plainly `channels_last`.
        train_size: Number of training images to use, a stratified choice; none takes all.
        validation_fraction: Share of them that is kept aside, stratified, for the curves.
        split_seed: Seed of both choices.
        preprocessing: `channel`: subtract the mean of each channel and divide by its deviation.
            `pixel_mean`: subtract the mean image, after scaling to [0, 1] (He et al. 2015). Both
            are of the training images.
        augmentation: `crop_flip`: pad by 4, crop at random, flip half of the images (He et al. 2015).
        cutout: Side in pixels of a square of zeros at a random place of each preprocessed image, cut off
            at the borders (DeVries and Taylor 2017); 0 for none.
        mixup: The alpha of Beta(alpha, alpha), from which each batch has its share: it is mixed with a
            permutation of itself, images and labels (Zhang et al. 2018); 0 for none.
        label_smoothing: The e of the target (1 - e) of the label and e / classes of every class (Szegedy
            et al. 2016). Of the training loss alone: evaluation and probes have the plain cross-entropy.
        steps: Number of updates; of 0, the initial network is probed and nothing else. Exactly one of `steps` and
            `epochs` is given.
        epochs: Number of passes over the training images; the last, partial batch of each is left out.
        batch_size: Images in an update.
        optimizer: `sgd`: v <- m v + g, w <- w - lr v, as in Torch. `adamw`: w <- w - lr (m / (√v + e) + d w),
            with m and v the unbiased averages of g and g² (Kingma and Ba 2015, algorithm 1; Loshchilov and
            Hutter 2019, with the decay times lr, as in Torch).
        learning_rate: The lr above; the highest of the schedule.
        momentum: The m of `sgd`.
        nesterov: w <- w - lr (g + m v), with the new v, as in Torch.
        beta_1, beta_2, epsilon: Of `adamw`: what the averages m and v keep in an update, and the e.
        weight_decay: The d in g <- g + d w for `sgd`, and that of `adamw`.
        weight_decay_of: What decays: `kernels` alone (He et al. 2015), or `all` trainable variables (the
            released Torch code of He et al. 2016, Zagoruyko and Komodakis 2016).
        schedule: The learning rate. `steps`: `learning_rate_drops`. `cosine`: half a cosine to 0, from the
            end of the warm-up on (Loshchilov and Hutter 2017; He et al. 2019). `one_cycle`: a line from 0 up
            to `peak`, and to 0 by the end (Smith and Topin 2018; Page 2018).
        learning_rate_drops: Shares of the budget after which the learning rate is multiplied by `drop_factor`.
        drop_factor: As said.
        peak: Share of the budget at which `one_cycle` is highest.
        descent: How it comes down.
        warmup_steps: Updates made first at `warmup_learning_rate` (He et al. 2015), or on the way from it.
        warmup_share: The share of the budget that they are, in place of their number.
        warmup: `constant`, or `linear` from `warmup_learning_rate` to `learning_rate` (Goyal et al. 2017).
        warmup_learning_rate: As said.
        precision: `mixed_float16`, `mixed_bfloat16`: Keras' policies, which compute the network in half
            precision and keep weights, statistics of normalisation, logits and loss in float32. With float16
            the loss is scaled, dynamically (Micikevicius et al. 2018).
        init_seed: Seed of the initial weights; none takes the seed of the run.
        data_seed: Seed of the order of batches, of the augmentation and of the choice of the probed
            batch; none takes the seed of the run.
        evaluation_batch: Images that are evaluated at a time. The last bits of a loss depend on it, its memory too.
        test: Whether the test images are looked at, at the last step: not in a search, which chooses among runs.
    """

    data: Annotated[str, Field(min_length=1)] = "digits"
    data_sha256: str = ""
    image_size: Annotated[int, Field(ge=1, le=2048)] | None = None
    background: Annotated[str, AfterValidator(colour)] = "white"
    skip_damaged: bool = False
    data_format: DataFormat | None = None
    train_size: PositiveInt | None = None
    validation_fraction: Fraction = 0.1
    split_seed: NonNegativeInt = 0
    preprocessing: Literal["channel", "pixel_mean"] = "channel"
    augmentation: Literal["none", "crop_flip"] = "none"
    cutout: NonNegativeInt = 0
    mixup: NonNegativeFloat = 0.0
    label_smoothing: Fraction = 0.0
    steps: NonNegativeInt | None = None
    epochs: PositiveInt | None = None
    batch_size: Annotated[int, Field(ge=2)] = 128
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: PositiveFloat = 0.1
    momentum: Fraction = 0.9
    nesterov: bool = False
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 1e-4
    weight_decay_of: Literal["kernels", "all"] = "kernels"
    schedule: Literal["steps", "cosine", "one_cycle"] = "steps"
    learning_rate_drops: tuple[Inside, ...] = ()
    drop_factor: Inside = 0.1
    peak: Inside = 0.2
    descent: Literal["linear", "cosine"] = "linear"
    warmup_steps: NonNegativeInt = 0
    warmup_share: Fraction = 0.0
    warmup: Literal["constant", "linear"] = "constant"
    warmup_learning_rate: PositiveFloat = 0.01
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    init_seed: NonNegativeInt | None = None
    data_seed: NonNegativeInt | None = None
    evaluation_batch: PositiveInt = 512
    test: bool = True

    @model_validator(mode="after")
    def _legal(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise UserError(
                f"exactly one of `steps` and `epochs` must be set, but got steps={self.steps} and epochs={self.epochs}"
            )
        for message in self.unread():
            raise UserError(message)
        if self.warmup_steps and self.warmup_share:
            raise UserError(
                "one of `warmup_steps` and `warmup_share` says how long the warm-up is, "
                f"but got {self.warmup_steps} and {self.warmup_share}; set one of them to 0"
            )
        return self

    @classmethod
    def readers(cls) -> Readers:
        return READ

    def replace(self, **changes: Any) -> Self:
        """See `Spec.replace`; a budget in epochs takes the place of one in steps, and vice versa."""
        if len(changes.keys() & {"steps", "epochs"}) == 1:
            changes = {"steps": None, "epochs": None, **changes}
        return super().replace(**changes)

    @property
    def reading(self) -> Reading:
        """How the images are read."""
        return Reading(self.background, self.skip_damaged, self.data_format)

    def total_steps(self, train_images: int) -> int:
        """Return the number of updates for this many training images."""
        return self.steps if self.steps is not None else (self.epochs or 0) * (train_images // self.batch_size)

    def warmup_of(self, total_steps: int) -> int:
        """Return the number of updates of the warm-up, of so many in all."""
        return self.warmup_steps or round(self.warmup_share * total_steps)

    def learning_rate_at(self, step: int, total_steps: int) -> float:
        """Return the learning rate of update `step`, counted from 0."""
        first = self.warmup_of(total_steps)
        if step < first:
            rise = step / first if self.warmup == "linear" else 0.0
            return self.warmup_learning_rate + rise * (self.learning_rate - self.warmup_learning_rate)
        match self.schedule:
            case "steps":
                factor = drops(step, total_steps, self.learning_rate_drops, self.drop_factor)
            case "cosine":
                factor = cosine((step - first) / (total_steps - first))
            case "one_cycle":  # between its ends, at neither of which an update would do anything
                factor = one_cycle((step + 1) / (total_steps + 1), self.peak, self.descent)
        return self.learning_rate * factor


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        net, train, probe: What is trained, how, and what is measured.
        seed: Seed of everything that has none of its own in `train`.
        code: Hash of the code of a user's block, see `nets.registry.code_of`; none takes that of the block as it is
            now, and it is empty for a block of this project.
        factors: What the study varies, by name: labels for its tables, no part of the identity.
    """

    net: NetSpec
    train: TrainSpec
    probe: ProbeSpec = field(default_factory=ProbeSpec)
    seed: int = 0
    code: str | None = None
    factors: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.code is None:
            object.__setattr__(self, "code", code_of(self.net.block))

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits; runs of equal specs, seeds and data content share them."""
        elsewhere = {"init_seed", "data_seed", *(["data", *READING] if self.train.data_sha256 else [])}
        train = self.train.canonical_json(exclude=frozenset(elsewhere))
        seeds = f"{self.init_seed} {self.data_seed}"
        code = (self.code,) if self.code else ()
        return digest("run/1", self.net.canonical_json(), train, self.probe.canonical_json(), seeds, *code)

    @property
    def arm(self) -> str:
        """What tells its arm from the others of its study, for people; a factor that is not active is left out."""
        return " ".join(f"{name}={value}" for name, value in self.factors.items() if value is not None)

    @property
    def label(self) -> str:
        """What tells the run from the others of its study, for people."""
        return f"{self.arm} seed={self.seed}".lstrip()

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
