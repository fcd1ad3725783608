"""Probes inside `keras.Model.fit`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from resnet_core.arguments import checked_class
from resnet_core.errors import UserError
from resnet_core.probes.anatomy import Layer, anatomy
from resnet_core.probes.gradient_norms import step_rows
from resnet_core.probes.graph import functional

if TYPE_CHECKING:
    import pandas as pd


@checked_class
class GradientsByDepth(keras.callbacks.Callback):  # type: ignore[misc]
    """Records the gradient norm of every layer in the training steps themselves.

        gradients = GradientsByDepth(every=50)
        model.fit(x, y, callbacks=[gradients])
        gradients.table()

    A row has the L2 norm of the gradient of the step's loss by one kernel, before the update. The loss is that of
    `fit`, with its batch, regularisers and sample weights. No extra pass is made.

    Args:
        every: Interval in steps, from step 0, at which the norms are kept.
        log_dir: Folder for TensorBoard's event files, one curve per layer. `None` writes none.

    Raises:
        UserError: `every` is below 1. When `fit` begins: the model is not functional, or `steps_per_execution` is not
            1.
    """

    def __init__(self, every: int = 1, log_dir: str | Path | None = None) -> None:
        super().__init__()
        if every < 1:
            raise UserError(f"`every` must be at least 1, but got {every}")
        self.every = every
        self._writer = None if log_dir is None else tf.summary.create_file_writer(str(log_dir))
        self._kept: list[tuple[int, Sequence[Layer], tf.Tensor]] = []
        self._step = 0

    def table(self) -> "pd.DataFrame":
        """Return the rows: `step`, `probe`, `layer`, `block`, `index`, `path`, `value`."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"step": step, **row}
                for step, layers, norms in self._kept
                for row in step_rows(layers, norms.numpy().tolist())
            ]
        )

    def on_train_begin(self, logs: Any = None) -> None:
        """Wrap the optimiser so that it keeps the norms of its gradients."""
        if self.model.steps_per_execution > 1:
            raise UserError(
                f"gradients can be measured if steps_per_execution is 1, but it is {self.model.steps_per_execution}; "
                "compile the model with 1"
            )
        model = functional(self.model)
        self._layers = anatomy(model).layers
        kernels = {model.get_layer(layer.layer).kernel.path: i for i, layer in enumerate(self._layers)}
        self._norms = tf.Variable(tf.zeros(len(kernels)), trainable=False)
        optimizer = self.model.optimizer
        apply = type(optimizer).apply

        def measured(gradients: Any, trainable_variables: Any = None) -> Any:
            variables = self.model.trainable_variables if trainable_variables is None else trainable_variables
            norms = [tf.zeros(())] * len(kernels)
            for gradient, variable in zip(gradients, variables, strict=True):
                if variable.path in kernels and gradient is not None:
                    norms[kernels[variable.path]] = tf.sqrt(2.0 * tf.nn.l2_loss(tf.cast(gradient, tf.float32)))
            scale = getattr(optimizer, "dynamic_scale", None)  # of the loss, and so of its gradients
            stacked = tf.stack(norms)
            self._norms.assign(stacked if scale is None else stacked / tf.convert_to_tensor(scale))
            return apply(optimizer, gradients, trainable_variables)

        optimizer.apply = measured
        self.model.make_train_function(force=True)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keep the norms of the step, if it is due."""
        if self._step % self.every == 0:
            norms = self._norms.value()  # rows are made of it when they are asked for: a step is not to wait
            self._kept.append((self._step, self._layers, norms))
            if self._writer is not None:
                with self._writer.as_default():
                    for layer, norm in zip(self._layers, norms.numpy().tolist(), strict=True):
                        tf.summary.scalar(f"gradient_l2/{layer.layer}", norm, self._step)
        self._step += 1

    def on_train_end(self, logs: Any = None) -> None:
        """Restore the optimiser."""
        del self.model.optimizer.apply
        self.model.make_train_function(force=True)
        if self._writer is not None:
            self._writer.flush()
