"""What a user would write: plain Keras, `compile` and `fit`, run after run, with a callback for the gradients."""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

WIDTH, BATCH = 8, 128


def block(x, filters, strides, residual):
    y = layers.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
    y = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(y))
    y = layers.Conv2D(filters, 3, 1, "same", use_bias=False)(y)
    y = layers.BatchNormalization(momentum=0.9)(y)
    if residual:
        if strides > 1:
            x = layers.MaxPooling2D(1, strides)(x)
        lacking = filters - x.shape[-1]
        if lacking:
            x = layers.ZeroPadding2D(((0, 0), (0, lacking)), data_format="channels_first")(x)
        y = layers.Add()([x, y])
    return layers.Activation("relu")(y)


def network(depth, residual, shape):
    inputs = keras.Input(shape)
    x = layers.Conv2D(WIDTH, 3, 1, "same", use_bias=False)(inputs)
    x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))
    for stage in range(3):
        for i in range((depth - 2) // 6):
            x = block(x, WIDTH * 2**stage, 2 if stage and not i else 1, residual)
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


class GradientNorms(keras.callbacks.Callback):
    def __init__(self, images, labels, loss):
        super().__init__()
        self.images, self.labels, self.loss, self.rows = images, labels, loss, []

    @tf.function
    def norms(self):
        with tf.GradientTape() as tape:
            loss = self.loss(self.labels, self.model(self.images, training=True))
        return [tf.norm(gradient) for gradient in tape.gradient(loss, self.model.trainable_variables)]

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append([float(norm) for norm in self.norms()])


def main(data, steps, seeds):
    with np.load(data) as file:
        x_train, y_train, x_test, y_test = (file[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    mean, std = x_train.mean(), x_train.std()
    x_train, x_test = (x_train - mean) / std, (x_test - mean) / std
    epochs = steps // (len(x_train) // BATCH)
    whole = len(x_train) // BATCH * BATCH
    accuracies = {}
    for residual in (False, True):
        for seed in range(seeds):
            keras.backend.clear_session()
            keras.utils.set_random_seed(seed)
            model = network(56, residual, x_train.shape[1:])
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=["accuracy"])
            probe = GradientNorms(x_train[:BATCH], y_train[:BATCH], loss)
            model.fit(x_train[:whole], y_train[:whole], BATCH, epochs, verbose=0, callbacks=[probe])
            scores = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
            accuracies.setdefault("A" if residual else "none", []).append(scores["accuracy"])
    print(json.dumps(accuracies))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
