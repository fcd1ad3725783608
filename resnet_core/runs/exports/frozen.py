"""A network as one graph of TensorFlow whose weights are constants, which converters take."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

IMAGES = "images"
"""Name of the input of every export."""


def frozen(model: "keras.Model", batch: int | None) -> Any:
    """Return a network's inference as a concrete function.

    Args:
        model: The network.
        batch: Number of images that it takes at once. `None` leaves it open.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32, name=IMAGES)

    @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]
    def inference(images: Any) -> Any:
        return model(images, training=False)

    return convert_variables_to_constants_v2(inference.get_concrete_function())
