import keras_tuner
from sklearn.datasets import load_digits

from search import HyperModel, Limits

x, y = load_digits(return_X_y=True)
model = HyperModel("tiny", input_shape=(8, 8, 1), classes=10, limits=Limits(parameters=30_000))
tuner = keras_tuner.Tuner(model.oracle("gp", "val_accuracy", max_trials=3), model, directory="tuned")
tuner.search(x.reshape(-1, 8, 8, 1) / 16 - 0.3, y, validation_split=0.2, epochs=2, verbose=0)
print(tuner.get_best_hyperparameters()[0].values)
