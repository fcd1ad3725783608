"""A network as a TensorFlow graph with constant weights, for converters."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

IMAGES = "images"
"""Name of the input of every export."""


def frozen(model: "keras.Model", batch: int | None) -> Any:
    """Return the inference of a network as a concrete function with constant weights.

    Args:
        model: The network.
        batch: Batch size. `None` leaves it open.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32, name=IMAGES)

    @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]
    def inference(images: Any) -> Any:
        return model(images, training=False)

    return convert_variables_to_constants_v2(inference.get_concrete_function())
