"""The whole tree of errors that smartcity raises, with their stable codes and exit codes.

Messages are translated where they are raised (`core.i18n._`); printing and exiting belong to the
command line alone. The table of exit codes stands in docs/exit-codes.md, and a test holds the two
together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class SmartCityError(Exception):
    """Something a person can understand and act on.

    `message` names the subject, what was expected and what was found; `hint` says what to do next.
    Neither ever holds a secret. `transient` is true where the same call may succeed later.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SmartCityError):
    """The command was called in a way that cannot be meant."""

    code = "usage"
    exit_code = 2


class UntrustedBundleError(SmartCityError):
    """A bundle, or content in a store, is not what a trusted key signed."""

    code = "untrusted-bundle"
    exit_code = 10


class LockedError(SmartCityError):
    """Another installation holds the server's lock, or another copy that of the disk."""

    code = "locked"
    exit_code = 11
    transient = True


class UnreachableError(SmartCityError):
    """The server cannot be reached, or the link to it was lost."""

    code = "unreachable"
    exit_code = 12
    transient = True


class HostKeyError(UnreachableError):
    """The server shows another host key than the one that was pinned, or none is known."""

    code = "host-key"
    transient = False


class LoginError(UnreachableError):
    """The server refuses the user or the key, or the user may not do what is needed."""

    code = "login"
    transient = False


class RemoteCommandError(SmartCityError):
    """A command on a host ended with another status than expected."""

    code = "remote-command"


class DiskFullError(RemoteCommandError):
    """A file system on the server has no room left."""

    code = "disk-full"


class RolledBackError(SmartCityError):
    """The installation failed and the release before serves again."""

    code = "rolled-back"
    exit_code = 13


class RollbackFailedError(SmartCityError):
    """The installation failed, and so did going back."""

    code = "rollback-failed"
    exit_code = 14


class PreflightError(SmartCityError):
    """The server cannot carry the release; nothing was changed."""

    code = "preflight"
    exit_code = 15


class NothingFitsError(SmartCityError):
    """No plan satisfies what the profile demands."""

    code = "nothing-fits"
    exit_code = 16


@dataclass(frozen=True)
class Problem:
    """One fault in a file that a person wrote: where, what was expected, what was found.

    `rule` is the number of the rule that it breaks (`smartcity catalogue lint --explain NUMBER`).
    """

    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    hint: str = ""
    rule: str = ""

    def __str__(self) -> str:
        place = ":".join(str(p) for p in (self.file, self.line, self.column) if p)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} [{self.rule}]" if self.rule else text


class InputError(SmartCityError):
    """One or more files that people write are wrong; `problems` lists every fault found."""

    code = "bad-input"
    exit_code = 20

    def __init__(self, problems: Problem | list[Problem], hint: str = "") -> None:
        self.problems = [problems] if isinstance(problems, Problem) else problems
        first_hint = next((p.hint for p in self.problems if p.hint), "")
        super().__init__("\n".join(str(p) for p in self.problems), hint or first_hint)


class EngineError(SmartCityError):
    """A Docker Engine is missing, does not answer, or refuses what was asked."""

    code = "engine"


class RegistryError(SmartCityError):
    """A registry refuses what was asked, or does not behave like one."""

    code = "registry"


class LabError(SmartCityError):
    """A practice server cannot be made on this machine."""

    code = "lab"


class InterruptedByUserError(SmartCityError):
    """The person pressed Ctrl-C."""

    code = "interrupted"
    exit_code = 130
