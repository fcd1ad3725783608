"""A claim of another machine: who has died there is told from who is alive, whatever the clocks say."""

import os
import platform
import threading
import time

import pytest
from filelock import Timeout

from resnet_core.errors import UserError
from resnet_core.runs.records import claims
from tests.torture.stub import killed_after


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A claim that a process of another machine has left; one expires in a second here."""
    monkeypatch.setattr(claims, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(claims, "LOOK_SECONDS", 0.05)
    claim = claims.claim(tmp_path, "search")
    path = tmp_path / "claims" / "search.lock"
    with claim.acquire():
        text = path.read_text()
    assert platform.node() in text
    path.write_text(text.replace(platform.node(), "another-machine"))
    os.utime(path, (0, 0))
    return path


def test_it_is_taken_once_it_has_expired(elsewhere, tmp_path):
    waited = []
    claim = claims.claim(tmp_path, "search")
    claim.acquire_when_expired(lambda: waited.append(True))
    assert claim.is_locked
    assert waited == [True]
    claim.release()


def test_it_is_not_taken_from_one_that_is_alive(elsewhere, tmp_path):
    """Which refreshes it."""
    timer = threading.Timer(0.2, lambda: os.utime(elsewhere, (1, 1)))
    timer.start()
    with pytest.raises(Timeout):
        claims.claim(tmp_path, "search").acquire_when_expired()
    timer.join()


def test_one_of_this_machine_is_alive(tmp_path):
    with claims.claim(tmp_path, "search").acquire(), pytest.raises(Timeout):
        claims.claim(tmp_path, "search").acquire_when_expired(pytest.fail)


@pytest.mark.parametrize("text", ["", "filelock/2\n", "1\nelsewhere\n", "\x00" * 40, "filelock/9\nlease\n"])
def test_a_damaged_one_is_in_nobodys_way_for_ever(text, tmp_path):
    """It raises nothing but that it is taken."""
    claim = claims.claim(tmp_path, "a")
    (tmp_path / "claims" / "a.lock").write_text(text)
    try:
        claim.acquire(timeout=0)
    except Timeout:
        assert "a" in claims.claimed(tmp_path)
    else:
        claim.release()


@pytest.fixture
def killed(tmp_path):
    """The file of a claim whose owner was killed on this machine a moment ago."""
    killed_after(99, lambda: (claims.claim(tmp_path, "a").acquire(), os._exit(9)))
    return tmp_path / "claims" / "a.lock"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked to be killed")
def test_one_of_a_killed_process_of_this_machine_is_over_at_once_and_is_not_touched_by_who_looks(killed, tmp_path):
    content = killed.read_bytes()
    with claims.claim(tmp_path, "b"):
        assert claims.claimed(tmp_path) == {"b"}
    assert killed.read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked to be killed")
def test_one_of_a_process_whose_number_another_process_has_is_over(killed, tmp_path):
    owner = claims.claim(tmp_path, "a").owner
    assert owner.start is not None
    killed.write_text(killed.read_text().replace(f"pid={owner.pid}\n", f"pid={os.getpid()}\n"))
    assert claims.claimed(tmp_path) == set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked to be killed")
@pytest.mark.parametrize(("age", "is_taken"), [(0, True), (30, True), (90, False), (-90, False)])
def test_one_of_another_machine_is_over_when_it_has_expired_or_is_of_the_future(age, is_taken, killed, tmp_path):
    killed.write_text(killed.read_text().replace(platform.node(), "another-machine"))
    os.utime(killed, (time.time() - age,) * 2)
    assert claims.claimed(tmp_path) == ({"a"} if is_taken else set())


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A claim whose owner was killed between making its file and writing into it."""
    monkeypatch.setattr("filelock._soft.MALFORMED_LOCK_AGE_THRESHOLD", 0.1)
    claims.claim(tmp_path, "study")  # makes the folder
    path = tmp_path / "claims" / "study.lock"
    path.touch()
    return path


def test_an_empty_one_is_taken(empty, tmp_path):
    with claims.held(tmp_path, "study", "change a study's plan"):
        assert claims.claim(tmp_path, "study").owner.pid == os.getpid()
    assert not empty.exists()


def test_an_empty_one_of_a_search_is_taken(empty, tmp_path):
    claims.claim(tmp_path, "study").acquire_when_expired()


def test_an_empty_one_into_which_its_owner_writes_at_last_is_the_owners(tmp_path):
    """Whether the owner writes before the line that ends an empty one, or after it."""
    owner = claims.claim(tmp_path, "study")
    path = tmp_path / "claims" / "study.lock"
    with owner.acquire():
        record = path.read_bytes()
        for text in (record + claims.NOT_WRITTEN, record):
            path.write_bytes(text)
            assert claims.claim(tmp_path, "study").owner.pid == os.getpid()
    assert len(record) > len(claims.NOT_WRITTEN)  # the owner writes over it


def test_one_that_stays_somebody_elses_is_one_line(tmp_path, monkeypatch):
    with claims.claim(tmp_path, "study").acquire():
        monkeypatch.setattr(claims, "LEASE_SECONDS", 0.1)  # so that it is another's at once
        kept = pytest.raises(UserError, match=r"may change a study's plan, .* keeps .*study\.lock; wait for it")
        with kept, claims.held(tmp_path, "study", "change a study's plan"):
            pass


def test_one_of_another_duration_is_somebody_elses(elsewhere, tmp_path):
    elsewhere.write_text(elsewhere.read_text().replace("1.0", "9.0"))
    with pytest.raises(Timeout):
        claims.claim(tmp_path, "search").acquire(timeout=0)


def test_a_folder_that_has_gone_is_not_made_again(tmp_path):
    with pytest.raises(UserError, match="must stay where it is"):
        claims.claim(tmp_path / "gone", "a")
    assert not (tmp_path / "gone").exists()
