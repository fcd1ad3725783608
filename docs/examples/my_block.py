from resnet_core import register_block


@register_block("narrow", kernels=(1, 3))
def narrow(at, x, width, strides):
    """F = conv3x3 relu BN conv1x1, a quarter as wide inside."""
    x = at.conv(x, width // 4, 1, name="conv1")
    x = at.activation(at.norm(x, name="bn1"), name="act1")
    return at.conv(x, width, 3, strides, name="conv2")
