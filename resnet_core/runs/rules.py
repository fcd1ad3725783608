"""The conditions under which fields of a `TrainSpec` are read."""

from resnet_core.spec_model import Readers

READ: Readers = {
    "momentum": (lambda s: s.optimizer == "sgd", "optimizer='sgd'"),
    "nesterov": (lambda s: s.optimizer == "sgd" and s.momentum != 0, "optimizer='sgd' and a momentum"),
    "beta_1": (lambda s: s.optimizer == "adamw", "optimizer='adamw'"),
    "beta_2": (lambda s: s.optimizer == "adamw", "optimizer='adamw'"),
    "epsilon": (lambda s: s.optimizer == "adamw", "optimizer='adamw'"),
    "weight_decay_of": (lambda s: s.weight_decay != 0, "a weight_decay"),
    "learning_rate_drops": (lambda s: s.schedule == "steps", "schedule='steps'"),
    "drop_factor": (lambda s: bool(s.learning_rate_drops), "learning_rate_drops"),
    "peak": (lambda s: s.schedule == "one_cycle", "schedule='one_cycle'"),
    "descent": (lambda s: s.schedule == "one_cycle", "schedule='one_cycle'"),
    "warmup_steps": (lambda s: s.schedule != "one_cycle", "a schedule that does not rise by itself"),
    "warmup_share": (lambda s: s.schedule != "one_cycle", "a schedule that does not rise by itself"),
    "initial_weights_sha256": (lambda s: s.initial_weights != "", "initial_weights"),
    "frozen_stages": (lambda s: s.initial_weights != "", "initial_weights"),
    "warmup": (lambda s: s.warmup_steps != 0 or s.warmup_share != 0, "warmup_steps or warmup_share"),
}
"""See `Spec.readers`. `warmup_learning_rate` was released without a rule: records may have it and no warm-up."""
