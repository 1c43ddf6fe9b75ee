"""The `smartcity` command: the root, and the one place that catches errors, prints and exits."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from smartcity_pkg.cli import common
from smartcity_pkg.core import i18n
from smartcity_pkg.core.errors import InterruptedByUserError, SmartCityError, UsageError
from smartcity_pkg.core.i18n import _


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a code of docs/exit-codes.md."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    i18n.activate(i18n.choose_language())
    options = common.CommonOptions(json="--json" in words)
    try:
        options, rest = common.split(words)
        i18n.activate(i18n.choose_language(options.lang))
        code = _run(options, rest)
        sys.stdout.flush()
    except SmartCityError as error:
        code = _report(options, error)
    except BrokenPipeError:
        # Whoever read our output has seen enough (`smartcity … | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except KeyboardInterrupt:
        code = _report(options, InterruptedByUserError(_("interrupted")))
    except Exception:  # noqa: BLE001 - the boundary: whatever is left is our mistake, shown whole
        traceback.print_exc()
        code = _report(
            options,
            SmartCityError(
                _("smartcity met a fault of its own (above)"),
                _("please send these lines to those who gave you smartcity"),
            ),
        )
    sys.exit(code)


def _run(options: common.CommonOptions, words: list[str]) -> int:
    import typer

    from smartcity_pkg.cli.root import build

    command = build(options)
    try:
        result = command.main(args=words, prog_name="smartcity", standalone_mode=False)
    except typer.Abort as error:
        raise InterruptedByUserError(_("interrupted")) from error
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
            return UsageError.exit_code
        raise _usage(error) from error
    if result == InterruptedByUserError.exit_code:
        raise InterruptedByUserError(_("interrupted"))
    return result if isinstance(result, int) else 0


def _usage(error: Exception) -> UsageError:
    """Typer's complaint about the line, in our words."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "smartcity"
    parameter = getattr(error, "param", None)
    kind = type(error).__name__
    if kind == "MissingParameter" and parameter is not None:
        message = _("“{name}” is missing").format(name=parameter.get_error_hint().strip("'"))
    elif kind == "NoSuchOption":
        message = _("there is no option {name}").format(name=getattr(error, "option_name", ""))
    elif kind == "NoSuchCommand" or str(error).startswith("No such command"):
        message = str(error)
    else:
        message = getattr(error, "format_message", lambda: str(error))()
    return UsageError(message, _("see: {command} --help").format(command=path))


def _report(options: common.CommonOptions, error: SmartCityError) -> int:
    presenter = common.make_presenter(options)
    presenter.error(error)
    return error.exit_code
