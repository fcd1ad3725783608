from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import ablations
import resnet_core
import search

if __name__ == "__main__":  # workers import a script; a notebook needs no such line
    study = ablations.load("depth")  # or a Study of your own, also one defined in a cell
    results = ablations.run(study, scale="smoke", seeds=3, depth=[8, 20], workers=2, keep_networks=True)
    print(results.verdicts())  # DataFrames
    print(results.table("test_error"))  # arms and seeds, with mean and interval
    results.plot("gradient_by_depth", hue="skip")  # Axes
    model = results.network(depth=20, skip="A", seed=0)  # a keras.Model
    print(results.report())  # a path, which a notebook shows as the page

    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x.reshape(-1, 8, 8), y, random_state=0)
    record = resnet_core.train(resnet_core.cifar(20), data=(x, y, x_test, y_test), epochs=5, seed=0)
    print(record.results, record.model)

    searched = search.run(space="cifar-small", data="digits", trials=20, max_params=300_000)
    print(searched.best.model, searched.trials(), searched.report())
