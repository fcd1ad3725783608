from resnet_core import NetSpec


def space(hp, train):
    """Residual networks with and without normalisation."""
    norm = hp.Choice("norm", ["batch", "none"])
    scale = hp.Choice("scale", ["one", "skipinit"], parent_name="norm", parent_values=["none"])
    width = hp.Choice("width", [8, 16, 32])
    net = NetSpec(widths=(width, 2 * width, 4 * width), norm=norm, branch_scale=scale or "one")
    return net, train.replace(learning_rate=hp.Float("learning_rate", 1e-2, 0.3, sampling="log"))
