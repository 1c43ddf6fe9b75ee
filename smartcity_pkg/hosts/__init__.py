"""One machine to run commands on: this one or one behind SSH; and the layout of its store."""

import sys

# paramiko imports invoke for `Match exec` of ssh_config, which nothing here reads: 60 ms of every
# command. It goes without where that cannot be imported.
sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]
