"""Diagram of a block as in the papers: the branch from top to bottom, with the skip beside it."""

import re
from html import escape

from resnet_core.nets.blocks import residual_block
from resnet_core.nets.counting import CostNet, LayerCost, Tensor
from resnet_core.nets.spec import NetSpec

BOX_WIDTH, BOX_HEIGHT, GAP, LEFT, RIGHT, MARGIN = 170, 26, 16, 120, 330, 30
WORDS = {"global_average_pool": "mean of channels", "pad_channels": "zero channels", "linear": "constant scale"}


def block_svg(spec: NetSpec) -> str:
    """Return an SVG diagram of the first block of the last stage, with kernel sizes and channels."""
    stage, block = len(spec.depths), 1
    net = CostNet(spec)
    rows, columns, _ = spec.input_shape
    before = spec.widths[stage - 2] * spec.growth if stage > 1 else spec.stem_width or spec.widths[0]
    index = sum(spec.depths[:-1]) + 1
    x = Tensor((rows, columns, before))
    residual_block(net, x, spec.widths[-1], spec.strides_of(stage, block), stage=stage, block=block, index=index)
    strided = {f"{layer.name}_subsample" for layer in net.layers if layer.kind == "conv"}  # drawn as one with it
    layers = [layer for layer in net.layers if layer.name not in strided]
    main = [layer for layer in layers if not layer.name.startswith("skip")]
    skip = [layer for layer in layers if layer.name.startswith("skip")]
    return _svg(spec, main, skip, has_skip=spec.has_skip(stage, block))


def _text(spec: NetSpec, layer: LayerCost) -> str:
    match layer.kind:
        case "conv":
            number = re.fullmatch(r"conv(\d+)", layer.name)
            size = spec.convolutions[int(number[1]) - 1] if number else 1
            return f"{size}×{size} conv, {layer.output_shape[-1]}"
        case "norm":
            return {"batch": "BN", "group": "GN", "layer": "LN"}.get(spec.norm, "norm")
        case "add":
            return "+"
        case "activation":
            return "sigmoid" if "gate" in layer.name else spec.activation
        case _:
            return WORDS.get(layer.kind, layer.kind.replace("_", " "))


def _svg(spec: NetSpec, main: list[LayerCost], skip: list[LayerCost], *, has_skip: bool) -> str:
    """Return the SVG, with the branch on the left and the skip on the right, from the input to the addition."""
    step = BOX_HEIGHT + GAP
    join = next((i for i, layer in enumerate(main) if layer.kind == "add"), len(main))
    top = MARGIN + GAP
    height = top + step * len(main) + MARGIN
    parts = []
    for i, layer in enumerate(main):
        parts.append(
            _box(LEFT, top + i * step, "+" if layer.kind == "add" else _text(spec, layer), layer.kind == "add")
        )
    parts += [_arrow(LEFT, top + i * step - GAP, top + i * step) for i in range(len(main))]
    parts.append(_arrow(LEFT, top + len(main) * step - GAP, height - MARGIN + GAP // 2))
    if has_skip:
        y = top + join * step + BOX_HEIGHT // 2
        fork = MARGIN + GAP // 2
        parts.append(f'<path d="M{LEFT} {fork} H{RIGHT} V{y} H{LEFT + 15}" marker-end="url(#head)"/>')
        parts += [_box(RIGHT, top + (i + 1) * step, _text(spec, layer)) for i, layer in enumerate(skip)]
    title = f"A {spec.block} block in the order {spec.order}, skip {spec.skip}"
    width = RIGHT + BOX_WIDTH // 2 + MARGIN if has_skip else LEFT + BOX_WIDTH // 2 + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="13" text-anchor="middle" fill="none" stroke="#1b1b1b">'
        f"<title>{escape(title)}</title>"
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 Z" fill="#1b1b1b" stroke="none"/></marker></defs>'
        f'<rect width="{width}" height="{height}" fill="#fff" stroke="none"/>'
        f'<text x="{LEFT}" y="{MARGIN - 12}" fill="#1b1b1b" stroke="none">x</text>' + "".join(parts) + "</svg>\n"
    )


def _box(x: int, y: int, text: str, round_: bool = False) -> str:
    if round_:
        shape = f'<circle cx="{x}" cy="{y + BOX_HEIGHT // 2}" r="{BOX_HEIGHT // 2}" fill="#fff"/>'
    else:
        shape = (
            f'<rect x="{x - BOX_WIDTH // 2}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4" fill="#f2f2f2"/>'
        )
    return f'{shape}<text x="{x}" y="{y + 18}" fill="#1b1b1b" stroke="none">{escape(text)}</text>'


def _arrow(x: int, start: int, end: int) -> str:
    return f'<path d="M{x} {start} V{end}" marker-end="url(#head)"/>'
