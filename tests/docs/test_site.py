"""The built documentation, whose folder `make docs` gives by `--site`: links, what it may not hold, a real browser."""

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TIMES = re.compile(r"ETA|^\[\d+/\d+\] .*[\d.]+ s\b|20\d\d-\d\d-\d\d \d\d:\d\d|I0000", re.MULTILINE)
"""Of progress, of a clock, and of TensorFlow's notices."""
WIDTHS = (1400, 420)


@pytest.fixture(scope="module")
def site(request) -> Path:
    folder = request.config.getoption("site")
    if folder is None:
        pytest.skip("the site is checked by `make docs`, which builds it and gives its folder by --site")
    return folder.absolute()


class Targets(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.anchors = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        for name in ("src", "href") if tag in ("img", "script", "link", "source", "iframe") else ():
            if given.get(name):
                self.loaded.add(given[name])


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Targets]:
    return {path: Targets(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def inside(target):
    return not urlsplit(target).scheme and not target.startswith("//")


def leads_nowhere(site, pages, page, target):
    parts = urlsplit(target)
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not path.is_file() or not path.is_relative_to(site):
        return True
    return bool(parts.fragment and path in pages and unquote(parts.fragment) not in pages[path].anchors)


def test_every_link_within_the_site_leads_to_a_page_and_a_place(site, pages):
    for page, named in pages.items():
        targets = filter(inside, named.links | named.loaded)
        assert [target for target in targets if leads_nowhere(site, pages, page, target)] == [], page


def test_nothing_is_loaded_from_elsewhere(pages):
    data = ("data:",)
    for page, targets in pages.items():
        assert [target for target in targets.loaded if not inside(target) and not target.startswith(data)] == [], page


def test_pages_have_no_path_of_the_machine_and_no_times(site, pages):
    places = ("/tmp/", "/root/", "/home/", str(site.parents[2]))
    for page in pages:
        if "reports" not in page.relative_to(site).parts:
            text = page.read_text(encoding="utf-8")
            assert [place for place in places if place in text] == [], page
            outputs = re.findall(r'<div class="output.*?</pre>', text, re.DOTALL)
            assert [output for output in outputs if TIMES.search(output)] == [], page


def test_every_cell_was_executed_and_shows_its_figures(site):
    text = (site / "gallery.html").read_text(encoding="utf-8")
    assert text.count('class="output image_png"') + text.count("_images/") >= 18
    for name in ("start", "tutorials/study", "tutorials/network", "tutorials/inside", "tutorials/search"):
        assert "cell_output" in (site / f"{name}.html").read_text(encoding="utf-8"), name


@pytest.fixture
def browser(tmp_path):
    """Open an address in headless Chromium; return the finished process."""
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")

    def opened(address, *options):
        command = [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=8000",
            *options, address,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)

    return opened


def test_the_search_finds_a_probe_from_files(browser, site):
    done = browser(f"{(site / 'search.html').as_uri()}?q=lesion", "--dump-dom")
    assert ":CONSOLE" not in done.stderr
    results = re.search(r'<ul[^>]*class="search".*?</ul>', done.stdout, re.DOTALL)[0]
    assert "generated/probes.html" in results
    assert "tutorials/inside.html" in results
    assert "search finished" in html.unescape(done.stdout).lower()


WIDE = """<script>document.body.dataset.wide = document.documentElement.scrollWidth - innerWidth</script></body>"""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["index", "start", "gallery", "tutorials/report", "generated/suites/depth",
                                  "generated/api/resnet_core", "generated/commands"])  # fmt: skip
def test_a_page_opens_without_a_message_and_is_as_wide_as_the_window(browser, site, name, width):
    page = site / f"{name}.html"
    measured = page.with_name(f".{page.name}")
    try:
        measured.write_text(page.read_text(encoding="utf-8").replace("</body>", WIDE), encoding="utf-8")
        done = browser(measured.as_uri(), "--dump-dom", f"--window-size={width},900")
    finally:
        measured.unlink()
    assert ":CONSOLE" not in done.stderr
    assert int(re.search(r'data-wide="(-?\d+)"', done.stdout)[1]) <= 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_is_light_or_dark_as_the_browser_is(browser, site, tmp_path, dark):
    picture = tmp_path / "page.png"
    options = ["--blink-settings=preferredColorScheme=0"] if dark else []
    browser((site / "seeds.html").as_uri(), f"--screenshot={picture}", "--window-size=1400,1200", *options)
    with Image.open(picture) as image:
        _, ground = max(image.convert("RGB").getcolors(1 << 24))
    assert (max(ground) < 60) == dark
