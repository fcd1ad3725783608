"""The sources of the documentation: pages and links lead somewhere, and what is named in them is there."""

import ast
import re
import shlex
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import ablations.cli
import ablations.probing.cli
import analysis.cli
import search.cli
from ablations.extensions import extensions
from ablations.files import study_in
from ablations.suites import suites
from analysis import plots
from resnet_core.probes.registry import probes

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.relative_to(DOCS).parts[0] not in ("_build", "generated"))
LINKED = [*PAGES, ROOT / "README.md"]
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^]\n]*\]\((?!https?:)([^)\s]+)\)|<a href=\"([^\"]+)\">")
OPTIONS = re.compile(r"\A(:\w+:[^\n]*\n)+\n*")
PROGRAMS = ("resnet-ablate", "resnet-report", "resnet-search", "resnet-probe")
OURS = ("ablations", "analysis", "resnet_core", "search")


@pytest.fixture(scope="module")
def generated():
    """The pages that are made of the code, by path; `tests/test_reference` makes the findings anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        patch.setenv("COLUMNS", "100")
        from written import commands, copied, extensions, probes, reference, suites

        findings = (ROOT / "results" / "README.md").read_text()
        patch.setattr(suites, "findings", lambda *_, **__: findings)
        writers = (suites, probes, extensions, commands, reference, copied)
        yield {name: text for writer in writers for name, text in writer.pages().items()}


def blocks(page):
    """Return the kind and the text of every block of code, without the options of a cell."""
    return [(kind.split(" ")[0], OPTIONS.sub("", code)) for kind, code in BLOCK.findall(page.read_text())]


def targets(text):
    """Return the files that a page links to or shows."""
    links = {next(filter(None, groups)) for groups in LINK.findall(BLOCK.sub("", text))}
    shown = {kind.split()[1] for kind, _ in BLOCK.findall(text) if kind.startswith("{literalinclude}")}
    return {target.partition("#")[0] for target in links | shown} - {""}


def contents(text, folder):
    """Return the pages that the tables of contents of a page name."""
    entries = (line for kind, code in BLOCK.findall(text) if kind == "{toctree}" for line in code.splitlines())
    return {(folder / f"{line}.md").resolve() for line in entries if line and not line.startswith(":")}


def test_every_page_is_in_a_table_of_contents(generated):
    texts = {path: path.read_text() for path in PAGES}
    texts |= {DOCS / "generated" / name: text for name, text in generated.items()}
    listed = {path for page, text in texts.items() for path in contents(text, page.parent)}
    assert listed == {path.resolve() for path in texts} - {DOCS / "index.md"}


@pytest.fixture(scope="module")
def built(generated):
    """The files of the site that are made when it is built."""
    report = DOCS / "reports" / "depth-smoke" / "report.html"
    return {report, *((DOCS / "generated" / name).resolve() for name in generated)}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page, built):
    files = {(page.parent / target).resolve() for target in targets(page.read_text())}
    assert {path for path in files if not path.exists()} - built == set()


def test_every_link_of_a_generated_page_leads_somewhere(generated, built):
    for name, text in generated.items():
        files = {((DOCS / "generated" / name).parent / target).resolve() for target in targets(text)}
        assert {path for path in files if not path.exists()} - built == set(), name


def test_everything_that_is_registered_is_on_a_page(generated):
    for kind, name, _ in extensions():
        assert f"| `{name}` |" in generated["registered.md"], kind
    for name, study in suites().items():
        page = generated[f"suites/{name}.md"]
        assert f"# {name}\n\n**" in page
        assert f"[{name}]({name}.md)" in generated["suites/index.md"]
        for scale in study.scales.values():
            assert [claim for claim in scale.claims.values() if f"`{claim}`" not in page] == []
        figures = [figure for scale in study.scales.values() for figure in scale.published]
        assert page.count("| test_error |") + page.count("| test\\_error |") >= sum(
            figure.measure == "test_error" for figure in figures
        )
    for name in probes():
        assert f"\n## {name}\n" in generated["probes.md"]
    for program in PROGRAMS:
        assert f"\n## {program}\n" in generated["commands.md"]


def test_committed_findings_are_on_the_page_of_their_suite(generated):
    headings = re.findall(r"^## ([\w-]+), (\w+)$", (ROOT / "results" / "README.md").read_text(), re.MULTILINE)
    assert headings
    for name, scale in headings:
        assert f"### At {scale} scale" in generated[f"suites/{name}.md"]


def test_every_public_name_is_in_the_reference(generated):
    text = "".join(text for name, text in generated.items() if name.startswith("api/"))
    for package in ("ablations", "resnet_core", "search"):
        for name in import_module(package).__all__:
            assert re.search(rf":: [\w.]+\.{name}$", text, re.MULTILINE), f"{package}.{name}"


@pytest.mark.parametrize("name", sorted({*plots.__all__} - {"words"}))
def test_every_figure_is_drawn_in_the_gallery_in_ten_lines(name):
    section = re.search(rf"^### `{name}`\n(.*?)^##", (DOCS / "gallery.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    ((_, code),) = BLOCK.findall(section)
    assert f"plots.{name}(" in code or f'plot("{name}"' in code
    assert len(OPTIONS.sub("", code).splitlines()) <= 10
    assert "alt:" in code


def python_of(page):
    """Return the Python of a page's blocks, without its commands."""
    for kind, code in blocks(page):
        if kind in ("{code-cell}", "python"):
            lines = ("pass" if line.startswith(("!", "%")) else line for line in code.splitlines())
            yield "\n".join(lines)


@pytest.mark.parametrize("page", [*LINKED, *EXAMPLES], ids=lambda page: str(page.relative_to(ROOT)))
def test_code_compiles_and_imports_what_there_is(page):
    codes = [page.read_text()] if page.suffix == ".py" else list(python_of(page))
    for node in (node for code in codes for node in ast.walk(ast.parse(code))):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in OURS:
            module = import_module(node.module)
            lost = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert [name for name in lost if find_spec(f"{node.module}.{name}") is None] == []


def commands_of(page):
    """Return the calls of this project's programs on a page."""
    lines = (line for kind, code in blocks(page) if kind in ("", "{code-cell}", "bash") for line in code.splitlines())
    for line in lines:
        words = shlex.split(line.lstrip("!"), comments=True) if line.lstrip("!").startswith(PROGRAMS) else []
        if words:
            ends = [words.index(word) for word in ("||", "|", ">", "&") if word in words]
            yield words[: min(ends, default=len(words))]


def parser_of(words):
    """Return the parser of a command, which knows the studies of the examples."""
    own = {path.name: study_in(path) for path in EXAMPLES if [path.name] == words[2:3] and words[1] == "run"}
    parsers = {
        "resnet-ablate": lambda: ablations.cli.parser({**suites(), **own}), "resnet-report": analysis.cli.parser,
        "resnet-search": search.cli.parser, "resnet-probe": ablations.probing.cli.parser,
    }  # fmt: skip
    return parsers[words[0]]()


@pytest.mark.parametrize("page", [*LINKED, *EXAMPLES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_has_the_options_that_it_is_given(page, monkeypatch):
    monkeypatch.chdir(DOCS / "examples")
    for words in commands_of(page):
        if "dead_units.py" not in words and words[1:] != ["list"]:  # its measure is that of a plugin
            if "--all" in words:  # every study takes the other options
                words = [*words[:2], "depth", *(word for word in words[2:] if word != "--all")]
            parser_of(words).parse(words[1:], intermixed=words[0] == "resnet-probe")


def test_the_script_of_an_array_gives_its_words_to_the_program():
    script = (DOCS / "examples" / "study.sbatch").read_text()
    (line,) = (line for line in script.splitlines() if line.startswith("resnet-ablate"))
    ablations.cli.parser(suites()).parse(shlex.split(line.replace('"$@"', "--depth 8"))[1:])
    assert "--array=" in script


def test_the_readme_fits_two_screens_and_the_version_is_one():
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 100
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == version
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version
