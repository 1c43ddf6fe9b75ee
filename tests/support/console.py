"""The console of a practice server: this machine's Python and this project, mounted into it.

Servers have no Python; at a real one a technician installs smartcity from the same disk. Folders
are mounted under their own names, so that paths hold on both sides.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workspace import ROOT, Ran

from smartcity_pkg.lab.server import Server

# mount(8) takes no source in another mount namespace; since Linux 5.2 the kernel does: open_tree(2)
# there, setns(2), move_mount(2) here. A process of its own, because setns is for good.
_MOUNT_INTO = """
import ctypes, os, sys
kernel = ctypes.CDLL(None, use_errno=True)
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
OPEN_TREE, MOVE_MOUNT, AT_FDCWD = 428, 429, -100
CLONE_RECURSIVE, FROM_DESCRIPTOR, CLONE_NEWNS = 0o2000000 | 0x8000 | 1, 4, 0x20000
folders = [os.fsencode(folder) for folder in sys.argv[2:]]
trees = [call(kernel.syscall(OPEN_TREE, AT_FDCWD, f, CLONE_RECURSIVE)) for f in folders]
call(kernel.setns(os.open(f"/proc/{sys.argv[1]}/ns/mnt", os.O_RDONLY), CLONE_NEWNS))
for tree, folder in zip(trees, folders):
    os.makedirs(folder, exist_ok=True)
    call(kernel.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, folder, FROM_DESCRIPTOR))
"""


def lacking() -> str:
    """Why this Python cannot run on a server; "" if it can."""
    if sys.base_prefix == "/usr":
        return "a Python that is not in /usr, where a server has its own programs"
    return ""


@dataclass
class Console:
    """Runs smartcity on the server, in `folder`, which exists on both sides."""

    server: Server
    folder: Path

    def __post_init__(self) -> None:
        self._mount({str(ROOT), sys.prefix, sys.base_prefix, str(self.folder)})

    def smartcity(self, *words: str, code: int = 0) -> Ran:
        """Run the command with --json as root; `code` is the exit code it must end with."""
        line = ["env", "-C", str(self.folder), "SMARTCITY_LANG=en", "PYTHONDONTWRITEBYTECODE=1"]
        line += [sys.executable, "-m", "smartcity_pkg", *words, "--json"]
        done = self.server.run(line, timeout_s=300)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Ran(done.returncode, done.stdout, done.stderr)

    def _mount(self, folders: set[str]) -> None:
        init = self.server.path("/").parent.name
        subprocess.run([sys.executable, "-c", _MOUNT_INTO, init, *sorted(folders)], check=True)
