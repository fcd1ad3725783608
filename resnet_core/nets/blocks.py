"""The residual block, y = post(S(x) + F(pre(x))), and its plain twin, y = post(F(pre(x))).

The skip S adds to the branch F, or, with `skip="none"`, vanishes and touches nothing else.
"""

from collections.abc import Callable

from resnet_core.nets.interpreter import Interpreter, Value

Block = Callable[..., Value]
Shortcut = Callable[..., Value]


def original(at: Interpreter, x: Value, width: int, strides: int, *, first: bool) -> Value:
    """y = relu(S(x) + F(x)),  F = BN conv relu BN conv  (He et al. 2015, equation 1 and figure 2)."""
    f = at.norm(at.conv(x, width, 3, strides, name="conv1"), name="bn1")
    f = at.norm(at.conv(at.relu(f, name="relu1"), width, 3, name="conv2"), name="bn2")
    return at.relu(SKIPS[at.spec.skip](at, x, f, strides), name="out")


def full_preactivation(at: Interpreter, x: Value, width: int, strides: int, *, first: bool) -> Value:
    """y = S(x) + F(a),  F = conv relu BN conv,  a = relu(BN(x))  (He et al. 2016, figure 4e).

    The first block splits after its activation: its skip takes a, not x (appendix). A projection
    takes a in every block.
    """
    a = at.relu(at.norm(x, name="bn1"), name="relu1")
    f = at.norm(at.conv(a, width, 3, strides, name="conv1"), name="bn2")
    f = at.conv(at.relu(f, name="relu2"), width, 3, name="conv2")
    return at.identity(SKIPS[at.spec.skip](at, a if first else x, f, strides, activated=a), name="out")


def no_skip(at: Interpreter, x: Value, f: Value, strides: int, activated: Value = None) -> Value:
    """F: the plain net."""
    return f


def zero_padded(at: Interpreter, x: Value, f: Value, strides: int, activated: Value = None) -> Value:
    """x + F, with zeros for the channels that x lacks (option A)."""
    if strides > 1:
        x = at.subsample(x, strides, name="skip_subsample")
    if at.shape(x) != at.shape(f):
        x = at.pad_channels(x, at.shape(f)[2], name="skip_pad")
    return at.add(x, f, name="add")


def projected_where_needed(at: Interpreter, x: Value, f: Value, strides: int, activated: Value = None) -> Value:
    """x + F, or W x + F where the shape changes (option B)."""
    if at.shape(x) == at.shape(f):
        return at.add(x, f, name="add")
    return projected_everywhere(at, x, f, strides, activated)


def projected_everywhere(at: Interpreter, x: Value, f: Value, strides: int, activated: Value = None) -> Value:
    """BN(W x) + F, W a 1x1 convolution (option C); W a + F without BN where a = relu(BN(x)) is given."""
    if activated is None:
        w = at.norm(at.conv(x, at.shape(f)[2], 1, strides, name="skip_conv"), name="skip_bn")
    else:
        w = at.conv(activated, at.shape(f)[2], 1, strides, name="skip_conv")
    return at.add(w, f, name="add")


BLOCKS: dict[str, Block] = {"original": original, "full_preactivation": full_preactivation}
SKIPS: dict[str, Shortcut] = {
    "none": no_skip,
    "A": zero_padded,
    "B": projected_where_needed,
    "C": projected_everywhere,
}
