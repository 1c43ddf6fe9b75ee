"""How to reach a server over SSH, as a value; connecting is `hosts.ssh`'s work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SshAddress:
    """A server behind SSH.

    `host_key` pins its key (`ssh-ed25519 AAAA…`); without it known_hosts decides. `key_file` is
    the private key to log in with; without it ssh-agent and the usual files in ~/.ssh are tried.
    `jump` is `[user@]host[:port]` of a machine to go through; its user defaults to `user`, its
    port to 22, and its host key is checked by known_hosts.
    """

    host: str
    port: int = 22
    user: str = "root"
    host_key: str | None = None
    key_file: str | None = None
    jump: str | None = None

    @property
    def jump_address(self) -> SshAddress | None:
        """The machine to go through, or None."""
        if self.jump is None:
            return None
        user, at, place = self.jump.rpartition("@")
        host, colon, port = place.partition(":")
        return SshAddress(
            host=host,
            port=int(port) if colon else 22,
            user=user if at else self.user,
            key_file=self.key_file,
        )

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"
