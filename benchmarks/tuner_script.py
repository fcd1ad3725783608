"""What a user would write: plain KerasTuner over a small residual network, for so many seconds.

`python tuner_script.py FOLDER SIZE SECONDS PARAMETERS` prints the test accuracy of the best network, as JSON.
"""

import json
import os
import sys
import tempfile
import time

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import keras_tuner
from keras import layers

EPOCHS = 10  # of a trial


def block(x, filters, strides):
    y = layers.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
    y = layers.Activation("relu")(layers.BatchNormalization()(y))
    y = layers.Conv2D(filters, 3, 1, "same", use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    if strides > 1 or x.shape[-1] != filters:
        x = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides, use_bias=False)(x))
    return layers.Activation("relu")(layers.Add()([x, y]))


def network(hp, size, classes):
    inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    if hp.Boolean("flip"):
        x = layers.RandomFlip("horizontal")(x)
    width = hp.Choice("width", [8, 12, 16])
    x = layers.Conv2D(width, 3, 1, "same", use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    for stage in range(3):
        for i in range(hp.Int("blocks", 1, 3)):
            x = block(x, width * 2**stage, 2 if stage and not i else 1)
    x = layers.Dropout(hp.Choice("dropout", [0.0, 0.2, 0.4]))(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(classes, "softmax")(x))
    rate = hp.Float("rate", 1e-4, 1e-2, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Until(keras.callbacks.Callback):
    """Ends a training, and with it the search, when the time is over."""

    def __init__(self, end):
        super().__init__()
        self.end = end

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() > self.end:
            self.model.stop_training = True


class Tuner(keras_tuner.RandomSearch):
    """Random search until the time is over."""

    def __init__(self, end, *arguments, **options):
        super().__init__(*arguments, **options)
        self.end = end

    def on_trial_begin(self, trial):
        super().on_trial_begin(trial)
        if time.monotonic() > self.end:
            self.oracle.max_trials = len(self.oracle.trials)  # this trial ends after a batch, and is the last


def main(folder, size, seconds, parameters):
    end = time.monotonic() + seconds
    options = {"image_size": (size, size), "batch_size": 32, "seed": 0, "verbose": False}
    train, validation = keras.utils.image_dataset_from_directory(
        f"{folder}/train", validation_split=0.2, subset="both", **options
    )
    test = keras.utils.image_dataset_from_directory(f"{folder}/test", shuffle=False, **options)
    classes = len(train.class_names)
    with tempfile.TemporaryDirectory() as kept:
        tuner = Tuner(
            end, lambda hp: network(hp, size, classes), "val_accuracy", max_trials=1000, seed=1, directory=kept,
            max_model_size=parameters, max_consecutive_failed_trials=100, max_retries_per_trial=0,
        )  # fmt: skip
        tuner.search(
            train.cache(), validation_data=validation.cache(), epochs=EPOCHS, callbacks=[Until(end)], verbose=0
        )
        (best,) = tuner.get_best_models()
        trials = sum(trial.status == "COMPLETED" for trial in tuner.oracle.trials.values())
        accuracy = best.evaluate(test, verbose=0, return_dict=True)["accuracy"]
        print(json.dumps({"trials": trials, "parameters": best.count_params(), "test_accuracy": accuracy}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
