"""`HostContract` on this machine and on a real OpenSSH server, as root and through sudo."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

import pytest
from host import HostContract
from private_sshd import SUDOER, PrivateSshd, running

from smartcity_pkg.hosts import ssh
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.local import LocalHost


@pytest.fixture(scope="module")
def sshd() -> Iterator[PrivateSshd]:
    with running() as server:
        yield server


class TestLocalHost(HostContract):
    @pytest.fixture
    def host(self) -> Host:
        if os.geteuid() != 0:
            pytest.skip("needs root")
        return LocalHost("lokal")


class TestSshHost(HostContract):
    @pytest.fixture
    def host(self, sshd: PrivateSshd) -> Iterator[Host]:
        host = ssh.connect(sshd.address, name="pemda")
        yield host
        host.close()


class TestSshHostThroughSudo(HostContract):
    @pytest.fixture
    def host(self, sshd: PrivateSshd) -> Iterator[Host]:
        host = ssh.connect(dataclasses.replace(sshd.address, user=SUDOER), name="pemda")
        yield host
        host.close()
