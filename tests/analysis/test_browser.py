"""The report in a real browser, without a network."""

import os
import shutil
import subprocess

import pytest
from PIL import Image

from analysis import report

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


@pytest.mark.parametrize("width", [1100, 420])
def test_the_page_opens_without_a_message_and_shows_its_figures(browser, width, tiny_study, tmp_path):
    page, _ = report.write(report.read(tiny_study), tmp_path / "report")
    picture = tmp_path / "page.png"
    done = browser(page, f"--window-size={width},2400", f"--screenshot={picture}")
    assert ":CONSOLE" not in done.stderr
    with Image.open(picture) as image:
        assert image.width == width
        colours = [colour for count, colour in image.convert("RGB").getcolors(1 << 24) if count > 20]
    for drawn in ((1, 115, 178), (222, 143, 5)):  # the first two of the palette: the figures are drawn
        assert any(max(abs(a - b) for a, b in zip(drawn, colour, strict=True)) <= 1 for colour in colours)
