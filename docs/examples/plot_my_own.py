import pandas as pd
from matplotlib import pyplot as plt

from analysis import plots

runs = pd.read_csv("tables/runs.csv")  # of resnet-ablate export results/local/depth tables/
probes = pd.read_csv("tables/probes.csv").merge(runs[["run", "depth", "skip"]], on="run")
weights = probes.query("probe == 'weight_gradient_l2' and path == 'main' and depth == depth.max()")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
runs["test_error"] = 1 - runs["test_accuracy"]
plots.measure_by_depth(runs, x="depth", y="test_error", hue="skip", ax=left)
plots.gradient_by_depth(weights[weights["step"] == 0], hue="skip", ax=right)
figure.savefig("mine.png")
