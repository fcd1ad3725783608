from ablations import Scale, Study, grid, mean
from resnet_core import TrainSpec, cifar

more = mean("dead.mean", skip="none") > mean("dead.mean", skip="A")
study = Study(
    "dead-units",
    "Do plain networks have more dead units?",
    lambda skip: cifar(8, width=4, skip=skip),
    {
        "smoke": Scale(
            grid(skip=["A", "none"]),
            TrainSpec(epochs=1, batch_size=64),
            seeds=2,
            claims={"Plain networks have more dead units.": more},
        )
    },
    probes=("dead",),
)
