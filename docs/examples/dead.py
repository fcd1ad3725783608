from resnet_core.probes.registry import Passes, register_probe, row


@register_probe("dead", passes=lambda net: Passes(forward=1), when="any")
def dead(net, images):
    """Share of units that are 0 for every image, at each place between blocks."""
    for place, values in zip(net.places, net.at_places(images)):
        yield row(place, value=(values.numpy() == 0).all(axis=0).mean())
