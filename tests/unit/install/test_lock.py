from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from smartcity_pkg.core.errors import LockedError
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.lock import LEASE_S, Lock, read_holder


def age(store: StorePaths, seconds: int) -> None:
    """Make the lease so many seconds old, as if its owner had been silent."""
    lease = Path(str(store.lock)) / "lease"
    lease.write_text(f"{int(lease.read_text()) - seconds}\n")


def test_the_second_one_is_told_who_holds_the_lock(host: Host, store: StorePaths) -> None:
    with Lock(host, store, owner="sari@kominfo"), pytest.raises(LockedError) as refused:
        Lock(host, store).__enter__()
    assert "sari@kominfo" in refused.value.message
    assert str(os.getpid()) in refused.value.message
    assert "2 min" in refused.value.hint


def test_a_lock_is_free_after_its_end(host: Host, store: StorePaths) -> None:
    with Lock(host, store):
        assert read_holder(host, store) is not None
    assert read_holder(host, store) is None
    with Lock(host, store):
        pass


def test_a_failure_inside_frees_the_lock(host: Host, store: StorePaths) -> None:
    with pytest.raises(ValueError, match="oops"), Lock(host, store):
        raise ValueError("oops")
    assert read_holder(host, store) is None


def test_a_dead_owner_loses_the_lock_after_its_lease(host: Host, store: StorePaths) -> None:
    dead = Lock(host, store, owner="dead").__enter__()
    age(store, LEASE_S - 5)
    with pytest.raises(LockedError):
        Lock(host, store).__enter__()
    age(store, 6)
    with Lock(host, store, owner="heir"):
        holder = read_holder(host, store)
        assert holder is not None
        assert holder.owner == "heir"
        dead.__exit__(None, None, None)
        assert read_holder(host, store) == holder, "the dead one must not free the heir's lock"


def test_an_owner_that_comes_back_notices_that_it_lost_the_lock(
    host: Host, store: StorePaths
) -> None:
    late = Lock(host, store)
    late._ended.set()  # no heartbeat: as if its link were cut
    late.__enter__()
    age(store, LEASE_S + 1)
    with Lock(host, store, owner="heir"):
        late.renew()
        with pytest.raises(LockedError):
            late.check()


def test_a_restarted_server_frees_the_lock(host: Host, store: StorePaths) -> None:
    Lock(host, store).__enter__()
    (Path(str(store.lock)) / "boot").write_text("another-boot\n")
    with Lock(host, store):
        pass


def test_a_lock_that_a_crash_left_unfinished_is_taken(host: Host, store: StorePaths) -> None:
    Path(str(store.lock)).mkdir(parents=True)
    with Lock(host, store):
        pass


def test_of_many_at_once_exactly_one_gets_the_lock(host: Host, store: StorePaths) -> None:
    won: list[Lock] = []
    lost: list[LockedError] = []
    start = threading.Barrier(6)

    def compete() -> None:
        start.wait()
        try:
            won.append(Lock(host, store).__enter__())
        except LockedError as error:
            lost.append(error)

    threads = [threading.Thread(target=compete) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)
    won[0].__exit__(None, None, None)
