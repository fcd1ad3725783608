"""The wheel holds what the project needs, and works from another folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("*.whl")
    return built


def test_every_module_and_data_file_is_in_it(wheel):
    packages = ("resnet_core", "ablations", "analysis", "search")
    sources = [
        path
        for top in packages
        for path in (ROOT / top).rglob("*")
        if path.suffix in (".py", ".jinja", ".js", ".typed", ".csv")
    ]
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == {str(path.relative_to(ROOT)) for path in sources}


def test_it_installs_and_runs_elsewhere(wheel, tmp_path):
    """In an environment of its own; its dependencies are those of this one."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    site = next((environment / "lib").glob("python*/site-packages"))
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel], check=True
    )
    ours = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    (site / "dependencies.pth").write_text(f"{ours}\n")
    python = environment / "bin" / "python"
    (tmp_path / "elsewhere").mkdir()

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [python, *arguments], cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=True
        )
        return done.stdout

    assert str(site) in run("-c", "import ablations; print(ablations.__file__)")
    assert "cifar-small" in run("-m", "search", "list")
    run("-m", "ablations", "run", "depth", "--depth", "8", "--seeds", "1", "--set", "steps=2")
    assert "report.html" in run("-m", "analysis", "results/local/depth")
