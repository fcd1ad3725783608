"""The files of a report: the page, the figures and the tables."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib import style as styles
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis import formats
from analysis.figures import inline, marks
from analysis.figures.layout import Drawn, Style
from analysis.pages.page import Image, Page, Section, Table, numeric_columns
from analysis.pages.sections import Builder, Part, Source
from resnet_core.folders import sweep, write_file


def sections_drawn(
    builders: Sequence[Builder[Source]], source: Source, style: Style
) -> tuple[list[Section], dict[str, bytes]]:
    """Build the sections of a report.

    Args:
        builders: Builders of sections, in the order of the page.
        source: Argument of each builder.
        style: Layout of the figures.

    Returns:
        The sections, and the contents of the files of their figures by the path below the report.

    Raises:
        ValueError: Two figures or two tables have the same name, and so the same file.
    """
    with styles.context(["default", dict(style.settings)]):  # independent of the user's settings
        parts = [part for build in builders for part in build(source)]
        drawn = {part: [_drawn(figure, style) for figure in part.figures] for part in parts}
    _check_names(parts)
    files = {
        f"figures/{image.drawn.name}.{suffix}": content
        for figures in drawn.values() for image, kinds in figures for suffix, content in kinds.items()
    }  # fmt: skip
    return [
        Section(part.title, [image for image, _ in drawn[part]], part.tables, part.words, part.lines) for part in parts
    ], files


def _drawn(drawn: Drawn, style: Style) -> tuple[Image, dict[str, bytes]]:
    """Return a figure in the form of a page, and its files."""
    figure = drawn.figure
    named = marks.named(figure)
    lay_out(figure)
    parts = inline.cut(figure)
    kinds = image_files(drawn, style)
    if "pdf" in style.suffixes:
        kinds["tex"] = (
            f"{formats.escaped(f'{drawn.title}. {drawn.caption}')}\n".encode()
        )  # a LaTeX document reads the caption from this file
    return Image(drawn, inline.inlined(kinds["svg"], drawn.name, parts, named), style.suffixes), kinds


def _check_names(parts: Sequence[Part]) -> None:
    for kind, names in (
        ("figures", [figure.name for part in parts for figure in part.figures]),
        ("tables", [table.name for part in parts for table in part.tables]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{kind} of a report must have names of their own, but two are called '{twice[0]}'")


def write_files(
    out: Path, name: str, page: Page, images: Mapping[str, bytes], by_name: Mapping[str, pd.DataFrame]
) -> None:
    """Write a page, its figures and its tables, each to a temporary file that is then renamed."""
    files: dict[str, bytes | str] = dict(images)
    for table in (table for section in page.sections for table in section.tables):
        files.update(_table_files(table, by_name.get(table.name, table.frame)))
    files[name] = page.render()
    sweep(out, "**/")
    for place, content in files.items():
        path = out / place
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content, durable=False)


def lay_out(figure: Figure) -> None:
    """Compute the layout of a figure once for all kinds of files."""
    layout = figure.get_layout_engine()
    if layout:
        layout.execute(figure)
    figure.set_layout_engine("none")


def image_files(drawn: Drawn, style: Style) -> dict[str, bytes]:
    """Return the files of a figure in a style by suffix. Equal figures give equal bytes."""
    figure = drawn.figure
    lay_out(figure)
    files = {}
    for suffix in style.suffixes:
        buffer = io.BytesIO()  # printed by the canvas, since `savefig` would first draw everything once more
        match suffix:
            case "svg":
                FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
            case "pdf":
                FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None})
            case "png":
                figure.dpi = style.settings["savefig.dpi"]
                FigureCanvasAgg(figure).print_png(buffer)
        files[suffix] = buffer.getvalue()
    return files


def _table_files(table: Table, whole: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield the files of a table: the whole table as CSV, and the part on the page as LaTeX and Markdown if short."""
    if not table.suffixes:
        return
    yield f"tables/{table.name}.csv", formats.csv(whole)
    if "tex" not in table.suffixes:
        return
    texts, numeric = formats.text_table(table.frame), numeric_columns(table.frame)
    yield f"tables/{table.name}.tex", formats.latex(texts, numeric, table.caption, table.name)
    yield f"tables/{table.name}.md", formats.markdown(texts, numeric)
