"""The report in a real browser, without a network."""

import html
import json
import os
import re
import shutil
import subprocess

import pytest
from PIL import Image

from analysis.pages import report, search_report
from tests.analysis.synthetic import PAGE, study
from tests.analysis.synthetic_search import search

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def browser(tmp_path):
    """Run headless Chromium on a page; return what it wrote to its log."""
    if BROWSER is None:
        assert not os.environ.get("CI"), "a browser must be there in CI"
        pytest.skip("no Chromium on this machine")

    def run(page, *options):
        command = [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", *options, page.as_uri(),
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)

    return run


def page_of_a_study(reported):
    grid = [{"depth": depth, "skip": skip} for depth in (8, 20) for skip in ("none", "A")]
    study(
        reported / "study", grid, 3, value=lambda run: 0.1 * run.seed + (run.factors["skip"] == "A") * 0.05,
        fate=lambda run: "crashed" if run.seed == 2 and run.factors["depth"] == 8 else "completed",
        layers=lambda run: run.factors["depth"],
    )  # fmt: skip
    return report.write(report.read(reported / "study"), reported / "report", PAGE)[0]


def page_of_a_search(reported):
    folder = search(reported / "search", objective="val_accuracy (max), macs (min)", confirm=2)
    return search_report.write(search_report.search_of(report.read(folder), folder), reported / "report", PAGE)[0]


@pytest.fixture(scope="module", params=[page_of_a_study, page_of_a_search], ids=["study", "search"])
def page(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("browser"))


@pytest.mark.parametrize("width", [1100, 420])
def test_the_page_opens_without_a_message_and_shows_its_figures(browser, width, page, tmp_path):
    picture = tmp_path / "page.png"
    done = browser(page, f"--window-size={width},{7000 if width > 700 else 12000}", f"--screenshot={picture}")
    assert ":CONSOLE" not in done.stderr
    with Image.open(picture) as image:
        assert image.width == width
        colours = [colour for count, colour in image.convert("RGB").getcolors(1 << 24) if count > 20]
    for drawn in ((1, 115, 178), (222, 143, 5)):  # the first two of the palette: the figures are drawn
        assert any(max(abs(a - b) for a, b in zip(drawn, colour, strict=True)) <= 1 for colour in colours)


def test_where_it_is_dark_so_are_page_and_figures(browser, page, tmp_path):
    picture = tmp_path / "page.png"
    browser(page, "--window-size=1100,2400", f"--screenshot={picture}", "--blink-settings=preferredColorScheme=0")
    with Image.open(picture) as image:
        counts = sorted(image.convert("RGB").getcolors(1 << 24), reverse=True)
    assert counts[0][1] == (0x15, 0x18, 0x1C)
    assert sum(count for count, colour in counts if min(colour) > 240) < 0.01 * sum(count for count, _ in counts)


CHECK = """
<script>
const found = {};
found.alts = all(".panels").map(figure => figure.getAttribute("aria-label").length > 40 && figure.clientHeight > 80);
found.empty = all(".panel > svg:last-child, .key svg").filter(svg => !(svg.clientHeight > 8)).length;
found.wide = document.documentElement.scrollWidth - innerWidth;
found.hidden = all(".panels svg").filter(svg => svg.getBoundingClientRect().right > innerWidth).length;
const shown = () => all("[data-arm]").filter(one => !one.classList.contains("dim")).length;
const key = document.querySelector("[data-names]"), some = shown();
if (key) { key.dispatchEvent(new MouseEvent("click", { bubbles: true })); found.out = [some, shown()]; }
const point = document.querySelector("use[data-tip]"), box = point.getBoundingClientRect();
const at_point = { bubbles: true, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 };
point.dispatchEvent(new PointerEvent("pointermove", at_point));
found.tip = [document.querySelector(".tip").hidden, document.querySelector(".tip").textContent, point.dataset.tip];
const check = document.querySelector(".choice input"); check.click();
found.without = all(".without-arm, .without-measure").length;
found.requests = performance.getEntriesByType("resource").filter(entry => !entry.name.startsWith("data:")).length;
const headed = table => Array.from(table.tHead.rows[0].cells);
const measured = cell => cell.textContent.endsWith(" accuracy");
const table = Array.from(document.querySelectorAll("table")).find(table => headed(table).some(measured));
const headings = headed(table);
const at = headings.findIndex(measured);
const keys = () => Array.from(table.tBodies[0].rows, row => Number(row.cells[at].dataset.key));
headings[at].firstChild.click(); found.rising = keys(); found.sort = headings[at].ariaSort;
headings[at].firstChild.click(); found.falling = keys();
document.title = "done"; document.body.dataset.found = JSON.stringify(found);
</script>
"""


@pytest.mark.parametrize("width", [1400, 420])
def test_the_page_answers_to_the_reader_nothing_is_hidden_and_nothing_is_requested(browser, width, page, tmp_path):
    checked = tmp_path / "report.html"
    checked.write_text(page.read_text().replace("</body>", f"{CHECK}</body>"))
    done = browser(checked, "--dump-dom", "--virtual-time-budget=5000", f"--window-size={width},900")
    assert ":CONSOLE" not in done.stderr
    result = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', done.stdout)[1]))
    assert result["alts"] == [True] * page.read_text().count('class="panels"')
    assert len(result["alts"]) in (7, 8)
    assert (result["empty"], max(0, result["wide"]), result["hidden"]) == (0, 0, 0)
    assert result["out"][0] > result["out"][1] > 0
    assert result["tip"] == [False, result["tip"][2], result["tip"][2]]
    assert result["without"] > 0
    assert result["requests"] == 0
    assert result["sort"] == "ascending"
    assert result["rising"] == sorted(result["rising"])
    assert result["falling"] == sorted(result["rising"], reverse=True)
    assert len(set(result["rising"])) > 1
