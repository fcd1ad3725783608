"""`StepSpec`: the settings on which a compiled training step depends."""

from dataclasses import dataclass, fields

from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.spec import TrainSpec


@dataclass(frozen=True)
class StepSpec:
    """All settings on which the compiled training step depends. Runs with equal settings share the compiled step."""

    augmentation: str
    batch_size: int
    momentum: float
    weight_decay: float
    cutout: int = 0
    mixes: bool = False
    label_smoothing: float = 0.0
    optimizer: str = "sgd"
    nesterov: bool = False
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay_of: str = "kernels"
    precision: str = "float32"
    measures: bool = False
    frozen_stages: int = 0

    @classmethod
    def from_specs(cls, train: TrainSpec, probe: ProbeSpec | None = None) -> "StepSpec":
        named = {field.name: getattr(train, field.name) for field in fields(cls) if hasattr(train, field.name)}
        return cls(**named, mixes=train.mixup > 0, measures=probe is not None and probe.step_gradients > 0)
