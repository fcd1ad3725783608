"""A run as data: `TrainSpec`, how a network is trained, and `Run`, the network, the training, the probes and a seed."""

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

from resnet_core.arguments import checked_class
from resnet_core.errors import UserError
from resnet_core.nets.own import Net, OwnNet, code_of_net, net_of
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.reading import FIELDS as READING
from resnet_core.runs.reading import DataFormat, Reading, colour
from resnet_core.runs.rules import READ
from resnet_core.runs.training.schedules import cosine, drops, one_cycle
from resnet_core.spec_model import Readers, Spec, digest

Fraction = Annotated[float, Field(ge=0, lt=1)]
Form = Literal["own", "open"]
AskedForm = Literal["own", "open", "auto"]
Inside = Annotated[float, Field(gt=0, lt=1)]


class TrainSpec(Spec):
    """How a network is trained.

    Attributes:
        data: Name of a data set, path of an `.npz` file or of a folder of images, `hf:NAME` or `tfds:NAME` of a hub.
        data_sha256: Hash of the decoded data. It identifies the data of a run, `data` does not.
        image_size: Height and width to which images are resized. `None` keeps their size.
        background: Colour behind transparent images of a folder: `white`, `black` or `#rrggbb`.
        skip_damaged: Whether images of a folder that cannot be decoded are left out and listed. Otherwise they are an
            error.
        data_format: Position of the channels of an `.npz` file, `channels_last` or `channels_first`. `None` infers it
            from the shape, and refuses what is not clearly `channels_last`.
        train_size: Number of training images, chosen with stratification. `None` means all.
        validation_fraction: Fraction of the training images that is kept aside for validation, with stratification.
        split_seed: Seed of these two choices.
        preprocessing: `channel`: subtract the mean of each channel and divide by its standard deviation. `pixel_mean`:
            scale to [0, 1] and subtract the mean image (He et al. 2015). Both are computed on the training images.
            `torch`, `tf`, `caffe`: the constants with which published networks were trained on ImageNet, as in
            `keras.applications`, for images of three channels with values up to 255.
        augmentation: `crop_flip`: pad by 4, crop at random, flip half of the images (He et al. 2015).
        cutout: Side in pixels of a square of zeros at a random place of each preprocessed image, clipped at the borders
            (DeVries and Taylor 2017); 0 for none.
        mixup: The alpha of Beta(alpha, alpha), from which each batch draws its mixing share. The batch is mixed with a
            permutation of itself, images and labels (Zhang et al. 2018); 0 for none.
        label_smoothing: The e of the target (1 - e) · label + e / classes (Szegedy et al. 2016). It applies to the
            training loss only; evaluation and probes use the plain cross-entropy.
        balance: What is done about classes of unequal size. `class_weights`: an image of class c has the weight
            n / (classes · n_c) in the training loss, n and n_c being numbers of training images, as `balanced` in
            scikit-learn; the weights of all training images have mean 1. `sampling`: an epoch has equally many images
            of each class, so those of small classes are repeated. Its number of updates is the same. Evaluation and
            probes use the plain images and the plain cross-entropy.
        steps: Number of updates. With 0, only the initial network is probed. Set exactly one of `steps` and `epochs`.
        epochs: Number of passes over the training images. The last, partial batch of a pass is dropped.
        batch_size: Number of images in an update.
        optimizer: `sgd`: v <- m v + g, w <- w - lr v, as in PyTorch. `adamw`: w <- w - lr (m / (√v + e) + d w), with
            the bias-corrected averages m of g and v of g² (Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019,
            with the decay times lr, as in PyTorch).
        learning_rate: The lr above; the highest learning rate of the schedule.
        momentum: The m of `sgd`.
        nesterov: Use w <- w - lr (g + m v), with the new v, as in PyTorch.
        beta_1: Decay of the average m of `adamw`.
        beta_2: Decay of the average v of `adamw`.
        epsilon: The e of `adamw`.
        weight_decay: The d of g <- g + d w for `sgd`, and the d of `adamw`.
        weight_decay_of: Variables that decay: `kernels` only (He et al. 2015), or `all` trainable variables (the
            released PyTorch code of He et al. 2016, Zagoruyko and Komodakis 2016).
        schedule: Learning rate over time. `steps`: `learning_rate_drops`. `cosine`: half a cosine to 0 after the
            warm-up (Loshchilov and Hutter 2017; He et al. 2019). `one_cycle`: linear from 0 to the highest at `peak`,
            and down to 0 at the end (Smith and Topin 2018; Page 2018).
        learning_rate_drops: Fractions of the budget after which the learning rate is multiplied by `drop_factor`.
        drop_factor: Factor of each drop.
        peak: Fraction of the budget at which `one_cycle` is highest.
        descent: Form of `one_cycle` after its peak.
        warmup_steps: Number of first updates, made at `warmup_learning_rate` or on the way from it (He et al. 2015).
        warmup_share: The same as a fraction of the budget.
        warmup: `constant`, or `linear` from `warmup_learning_rate` to `learning_rate` (Goyal et al. 2017).
        warmup_learning_rate: Learning rate at which the warm-up begins.
        precision: `mixed_float16` and `mixed_bfloat16` are Keras' policies: the network computes in half precision, and
            weights, normalisation statistics, logits and loss stay in float32. With float16, the loss is scaled
            dynamically (Micikevicius et al. 2018).
        init_seed: Seed of the initial weights. `None` means the seed of the run.
        data_seed: Seed of the order of batches, of the augmentation and of the choice of the probed batch. `None` means
            the seed of the run.
        evaluation_batch: Number of images evaluated at a time. Memory and the last bits of a loss depend on it.
        test: Whether the test images are evaluated after the last step. A search, which chooses among runs, does not.
        initial_weights: File with published weights, from which the training starts; see `nets.weights.load_weights`.
            The classifier is not read from it. It is drawn as without a file. Empty means that all weights are drawn.
        initial_weights_sha256: Hash of that file. It identifies the weights of a run, the path does not.
        frozen_stages: Number of stages, counted from the input, that do not change, and the stem with them. All stages
            leave only the head to be trained. The weights and moving statistics of a frozen stage stay as they are: its
            batch normalisation is in inference mode, since weights that stay need the statistics that they had.
        form: How the network is compiled. `own`: each network by itself. `open`: once for all networks that differ only
            in depth and width, so that the second and later networks begin at once. The two forms differ in rounding. A
            network without an open form, or in half precision, is compiled in its own form. `auto`: `open` where that
            is faster by a rule of thumb, which depends on the other fields only. The record has the form.
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
    preprocessing: Literal["channel", "pixel_mean", "torch", "tf", "caffe"] = "channel"
    augmentation: Literal["none", "crop_flip"] = "none"
    cutout: NonNegativeInt = 0
    mixup: NonNegativeFloat = 0.0
    label_smoothing: Fraction = 0.0
    balance: Literal["none", "class_weights", "sampling"] = "none"
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
    initial_weights: str = ""
    initial_weights_sha256: str = ""
    frozen_stages: NonNegativeInt = 0
    form: AskedForm = "own"

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
                "only one of `warmup_steps` and `warmup_share` may set the length of the warm-up, "
                f"but got {self.warmup_steps} and {self.warmup_share}; set one of them to 0"
            )
        return self

    @classmethod
    def readers(cls) -> Readers:
        return READ

    def replace(self, **changes: Any) -> Self:
        """See `Spec.replace`. A budget in epochs replaces one in steps, and vice versa."""
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
        """Return the number of updates of the warm-up in a run of `total_steps` updates."""
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
            case "one_cycle":  # without its ends, where the learning rate is 0
                factor = one_cycle((step + 1) / (total_steps + 1), self.peak, self.descent)
        return self.learning_rate * factor


@checked_class
@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        net, train, probe: Specs of the network, of the training and of the measurements.
        seed: Seed of all draws for which `train` has no seed.
        code: Hash of the code of a user's block or network, see `nets.own.code_of_net`. It is empty for a block of this
            project. With `None`, the hash of the current code is taken.
        factors: Levels of the factors of a study, by name. They label the run in tables and do not change its id.
    """

    net: Net
    train: TrainSpec
    probe: ProbeSpec = field(default_factory=ProbeSpec)
    seed: int = 0
    code: str | None = None
    factors: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.code is None:
            object.__setattr__(self, "code", code_of_net(self.net))
        if not self.train.initial_weights:
            return
        if isinstance(self.net, OwnNet):
            raise UserError(
                f"published weights are of networks that a NetSpec describes, but got `{self.net.network}` with "
                f"initial_weights={self.train.initial_weights!r}; load them in the function that builds the network"
            )
        if self.train.frozen_stages > len(self.net.depths):
            raise UserError(
                f"`frozen_stages` must be at most the number of stages, {len(self.net.depths)}, but got "
                f"{self.train.frozen_stages}"
            )

    @property
    def id(self) -> str:
        """Hash of the run, 16 hexadecimal digits. Runs with equal specs, seeds, data and code have equal ids."""
        elsewhere = {"init_seed", "data_seed", *(["data", *READING] if self.train.data_sha256 else [])}
        elsewhere |= {"initial_weights"} if self.train.initial_weights_sha256 else set()
        train = self.train.canonical_json(exclude=frozenset(elsewhere))
        seeds = f"{self.init_seed} {self.data_seed}"
        code = (self.code,) if self.code else ()
        return digest("run/1", self.net.canonical_json(), train, self.probe.canonical_json(), seeds, *code)

    @property
    def arm(self) -> str:
        """The levels of the factors as text. A factor that is not active is left out."""
        return " ".join(f"{name}={value}" for name, value in self.factors.items() if value is not None)

    @property
    def label(self) -> str:
        """The arm and the seed as text."""
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
            net=net_of(values["net"]),
            train=TrainSpec(**values["train"]),
            probe=ProbeSpec(**values["probe"]),
            seed=values["seed"],
            code=values["code"],
            factors=values["factors"],
        )
