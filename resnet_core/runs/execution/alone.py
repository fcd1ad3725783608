"""`resnet_core.train`: trains one network in this process, without a folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import NonNegativeInt

from resnet_core.arguments import checked
from resnet_core.errors import UserError, in_arguments
from resnet_core.nets.own import Net, OwnNet
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo, check_sizes
from resnet_core.runs.data.given import path_of
from resnet_core.runs.execution.display import display
from resnet_core.runs.execution.estimate import study_threads, train_seconds
from resnet_core.runs.execution.job import asked, content_of, dataset, source
from resnet_core.runs.records.networks import Array, with_weights
from resnet_core.runs.records.record import Record
from resnet_core.runs.runtime import configure
from resnet_core.runs.settings import DECIDED
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.initial import check_initial, with_hash
from resnet_core.runs.training.train import train_run
from resnet_core.telling import said_to, surrounding

if TYPE_CHECKING:
    import keras

EPOCHS = 10


@dataclass(frozen=True)
class TrainedRecord(Record):
    """The record of a run, with the network that was trained.

    Attributes:
        weights: The trained weights, in the order of `keras.Model.weights`; `None` if the run did not complete.
    """

    weights: list[Array] | None = field(default=None, repr=False, compare=False)

    @property
    def model(self) -> "keras.Model":
        """The trained network. It takes preprocessed images, see `networks.network_of`, and gives logits.

        Raises:
            UserError: The run did not complete.
        """
        if self.weights is None:
            raise UserError(
                f"a trained network needs a run that completed, but it {self.outcome.status}: {self.outcome.message}"
            )
        return with_weights(self.run, self.weights)


@in_arguments()
@checked
def train(
    net: "Net | Callable[..., Any]",
    data: Any = "digits",
    *,
    epochs: int | None = None,
    seed: NonNegativeInt = 0,
    probe: ProbeSpec | None = None,
    progress: bool = True,
    **settings: Any,
) -> TrainedRecord:
    """Train a network on a data set, and return its record. Only arrays of `data` are written, to the cache folder.

    Args:
        net: The network, or a function that builds one, see `nets.own.OwnNet`. Its `input_shape` and `classes` are
            those of the data. With `initial_weights`, a published network that has others is changed.
        data: Name, path, arrays or a data set; see `resnet_core.runs.data.given.path_of`.
        epochs: Number of passes over the training images. `None` means 10, unless `steps` is given.
        seed: Seed of all draws for which no setting is a seed.
        probe: Measurements during the training. `None` means those of `ProbeSpec()`.
        progress: Whether progress is shown. Without it, nothing is printed.
        **settings: Fields of `TrainSpec`: `batch_size=64`, `learning_rate=0.05`.

    Returns:
        The record, whose `model` is the trained network. A run that diverges or crashes is a record, too; see `status`.

    Raises:
        UserError: The data, the network and the settings do not fit each other.
    """
    if not isinstance(net, Net) and not callable(net):
        raise UserError(
            "a network must be a NetSpec, as cifar(20) or network('resnet18'), or a function that builds a "
            f"keras.Model, but got {net!r}"
        )
    for name in sorted(settings.keys() & DECIDED - {"test"}):
        raise UserError(f"a setting must not be one that follows from the data, but got `{name}`; leave it out")
    budget = {} if epochs is None and settings.get("steps") is not None else {"epochs": epochs or EPOCHS}
    spec = TrainSpec(data=path_of(data), **budget, **settings)
    with said_to(surrounding() if progress else "nobody"):
        info = source(*asked(spec)).info
        net = OwnNet.from_function(net) if callable(net) else net
        shape = {"input_shape": info.input_shape, "classes": info.classes}
        net = net.replace(**shape) if spec.initial_weights else fitted(net, info)
        run = Run(net, spec, probe or ProbeSpec(), seed)
        check_sizes(run, info.train_images)
        _, sha256 = content_of(*asked(spec))
        run = replace(run, train=with_hash(spec.replace(data_sha256=sha256)))
        threads = study_threads([run])
        configure(threads)
        check_initial([run], threads)
        held: list[list[Array]] = []
        images = dataset(run.train)
        with display({run.id: train_seconds(run, info.train_images, threads)}) as shown:
            record = train_run(run, images, lambda step: shown.step(run, step), on_trained=held.append)
            shown.end(record)
    fields: Mapping[str, Any] = vars(record)
    return TrainedRecord(**fields, weights=held[0] if held else None)


def fitted(net: Net, data: DataInfo) -> Net:
    """Return a network with the input shape and the number of classes of a data set.

    Raises:
        UserError: The network has another shape or number.
    """
    expected = {"input_shape": data.input_shape, "classes": data.classes}
    for name, value in net.given().items():
        if name in expected and value != expected[name]:
            raise UserError(
                f"`{name}` must be that of the data, {expected[name]}, but the network has {value}; leave it out, or "
                "give other data"
            )
    return net.replace(**expected)
