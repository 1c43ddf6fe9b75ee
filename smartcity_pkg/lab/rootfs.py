"""The root file system of a practice server: Debian 13 with sshd, and Docker on top.

Three layers that all servers share, read only: the pristine tree, what every server has, and the
Docker Engine, which a server "without engine" lacks altogether. Starting servers is `server`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smartcity_pkg.core.progress import Progress
from smartcity_pkg.lab.debian import PackageLayer, debian_tree, package_layer

# The people of a server. `nosudo` may log in and nothing more: the "wrong SSH user" of the tests.
# The client's key pair is made here as well, so the machine outside needs no ssh-keygen; it opens
# practice servers only, which nothing outside this machine can reach.
_USERS = """
ssh-keygen -q -t ed25519 -N '' -C smartcity-lab -f /root/client_key
install -d -m 700 /root/.ssh
cp /root/client_key.pub /root/.ssh/authorized_keys
for user in deploy nosudo; do
    useradd --create-home --shell /bin/bash "$user"
    install -d -m 700 -o "$user" -g "$user" "/home/$user/.ssh"
    install -m 600 -o "$user" -g "$user" /root/client_key.pub "/home/$user/.ssh/authorized_keys"
done
echo 'deploy ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/deploy
chmod 440 /etc/sudoers.d/deploy
rm -f /etc/ssh/ssh_host_*
"""

SSH = PackageLayer(
    name="ssh",
    packages=(
        *("openssh-server", "iproute2", "iptables", "procps", "kmod", "ca-certificates", "sudo"),
        *("tini", "tar", "zstd", "xz-utils", "busybox-static"),
    ),
    # Debian's kernel modules are not ours to load, and locales would only be noise in tests.
    after=_USERS,
)
ENGINE = PackageLayer(
    name="engine",
    packages=("docker.io", "docker-cli", "docker-compose", "docker-buildx"),
    after="usermod --append --groups docker deploy",
)


@dataclass(frozen=True)
class RootFs:
    """The layers that servers stand on."""

    debian: Path
    ssh: Path
    engine: Path

    def lowers(self, *, engine: bool) -> tuple[Path, ...]:
        """The lower directories of a server's overlay, the topmost first."""
        return (self.engine, self.ssh, self.debian) if engine else (self.ssh, self.debian)

    @property
    def client_key(self) -> Path:
        """The private key that every server's users accept."""
        return self.ssh / "root" / "client_key"

    @property
    def docker_client(self) -> Path:
        """The `docker` program of the servers; it runs on any Debian 12 or newer."""
        return self.engine / "usr" / "bin" / "docker"

    @property
    def docker_plugins(self) -> Path:
        """Where that program's plugins (buildx, compose) lie."""
        return self.engine / "usr" / "libexec" / "docker" / "cli-plugins"


def root_fs(home: Path, progress: Progress) -> RootFs:
    """The layers, built where they are missing: about 40 s and 600 MB the first time."""
    debian = debian_tree(home, progress)
    ssh = package_layer(home, SSH, [debian], progress)
    engine = package_layer(home, ENGINE, [ssh, debian], progress)
    return RootFs(debian=debian, ssh=ssh, engine=engine)
