"""One folder under two host names, as containers and nodes that restart have them."""

import subprocess
import sys
import time

import pytest

SEARCH = [
    "run", "--space", "tiny", "--fix", "skip=A", "--fix", "order=original", "--epochs", "1",
    "--confirm", "0", "--set", "batch_size=32", "--executor", "serial",
]  # fmt: skip


def under_another_name(*command):
    return ["unshare", "--uts", "sh", "-c", 'hostname another-machine && exec "$@"', "sh", *command]


@pytest.fixture(autouse=True)
def allowed(pytestconfig):
    if pytestconfig.getoption("kills") < 50:
        pytest.skip("a claim expires in a minute; make torture waits for it")
    if subprocess.run(under_another_name("true"), capture_output=True, check=False).returncode:
        pytest.skip("another host name needs the right to unshare")


def test_a_search_whose_launcher_died_under_another_name_goes_on(tmp_path):
    command = [sys.executable, "-m", "search", *SEARCH, "--out", str(tmp_path), "--trials", "3"]
    launcher = subprocess.Popen(under_another_name(*command), stdout=subprocess.DEVNULL, cwd=tmp_path)
    while not list(tmp_path.glob("search/runs/*.json")):
        assert launcher.poll() is None
        time.sleep(0.1)
    launcher.kill()
    launcher.wait()
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "waiting a minute to see whether it is alive" in done.stdout
    assert "3 trials recorded" in done.stdout
    print(f"taken up and ended after {time.monotonic() - started:.0f} s")


def test_a_search_whose_launcher_is_alive_under_another_name_is_left_to_it(tmp_path):
    command = [sys.executable, "-m", "search", *SEARCH, "--out", str(tmp_path), "--trials", "200"]
    launcher = subprocess.Popen(under_another_name(*command), stdout=subprocess.DEVNULL, cwd=tmp_path)
    try:
        while not list(tmp_path.glob("search/runs/*.json")):
            assert launcher.poll() is None
            time.sleep(0.1)
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 2
        assert "must have one launcher" in done.stderr
    finally:
        launcher.kill()
        launcher.wait()
