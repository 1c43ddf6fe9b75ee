"""The `smartcity` command: the root, and the one place that catches errors, prints and exits."""

from __future__ import annotations

import select
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from smartcity_pkg.cli import common
from smartcity_pkg.core import i18n
from smartcity_pkg.core.errors import InterruptedByUserError, SmartCityError, UsageError
from smartcity_pkg.core.i18n import _, os_text


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a code of docs/exit-codes.md."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = common.glance(words)
    i18n.activate(i18n.choose_language(options.lang))
    try:
        options, rest = common.split(words)
        code = _run(options, rest)
        sys.stdout.flush()
    except SmartCityError as error:
        code = _report(options, error)
    except (KeyboardInterrupt, EOFError):
        code = _report(options, InterruptedByUserError(_("interrupted")))
    except OSError as error:
        code = _of_system(options, error)
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
    session = command.context_settings["obj"]
    try:
        # Not typer's main(): it ends silently, with code 1, when any pipe or socket breaks.
        with command.make_context("smartcity", words) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort as error:
        raise InterruptedByUserError(_("interrupted")) from error
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError" and not options.json:
            typer.echo(error.format_message(), err=True)
            return UsageError.exit_code
        raise _usage(error) from error
    finally:
        session.close()
    return 0


def _usage(error: Exception) -> UsageError:
    """Typer's complaint about the line, in our words."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "smartcity"
    parameter = getattr(error, "param", None)
    option = getattr(error, "option_name", "")
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        message = _("the command is not complete")
    elif kind == "MissingParameter" and parameter is not None:
        message = _("“{name}” is missing").format(name=parameter.get_error_hint().strip("'"))
    elif kind == "NoSuchOption":
        message = _("there is no option {name}").format(name=option)
    elif kind == "BadOptionUsage" and context is not None:
        message = (
            _("{option} takes no value")
            if _is_flag(context, option)
            else _("{option} needs a value")
        ).format(option=option)
    elif kind == "BadParameter" and parameter is not None:
        message = _("{name}: not a possible value ({why})").format(
            name=parameter.get_error_hint().strip("'"), why=getattr(error, "message", "")
        )
    else:
        message = getattr(error, "format_message", lambda: str(error))()
    return UsageError(message, _("see: {command} --help").format(command=path))


def _is_flag(context: Any, option: str) -> bool:
    return any(
        option in parameter.opts and getattr(parameter, "is_flag", False)
        for parameter in context.command.params
    )


def _of_system(options: common.CommonOptions, error: OSError) -> int:
    """What the operating system refused, where no layer below had a better word for it."""
    if isinstance(error, BrokenPipeError) and _nobody_reads():
        common.discard_output()  # `smartcity --help | head -1`
        return SmartCityError.exit_code
    why = os_text(error)
    file = error.filename2 or error.filename
    return _report(
        options,
        SmartCityError(
            f"{file}: {why}" if file else why,
            _("check that the folder is there, that you may write to it, and the free space"),
        ),
    )


def _nobody_reads() -> bool:
    """Whether standard output is a pipe that its reader has closed."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(flags & (select.POLLERR | select.POLLHUP) for _fd, flags in poll.poll(0))


def _report(options: common.CommonOptions, error: SmartCityError) -> int:
    presenter = common.make_presenter(options)
    presenter.error(error)
    return error.exit_code
