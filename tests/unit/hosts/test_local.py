"""What is this machine's own; the contract is in tests/contracts."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from smartcity_pkg.core.errors import LoginError
from smartcity_pkg.hosts.local import LocalHost

NOBODY, REFUSED = 65534, 7


def _as_nobody() -> None:
    os.setgroups([])
    os.setuid(NOBODY)
    try:
        LocalHost()
    except LoginError as error:
        os._exit(REFUSED if "sudo" in error.hint else 1)
    os._exit(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_user_who_may_not_become_root_is_told_so() -> None:
    process = multiprocessing.get_context("fork").Process(target=_as_nobody)
    process.start()
    process.join(30)
    assert process.exitcode == REFUSED


def test_it_is_called_what_it_was_named() -> None:
    assert LocalHost("balai-kota").name == "balai-kota"
