"""Typer's own screens in the person's language: what every command and group is made with."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import N_, _

# Words that typer itself looks up through gettext.
TYPERS_WORDS = (
    N_("Arguments"),
    N_("Options"),
    N_("Commands"),
    N_("required"),
    N_("default: {default}"),
)


class _Translated:
    """What typer writes with fixed English words, written through gettext instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        try:
            return super().parse_args(ctx, args)  # type: ignore[misc]
        except typer.TyperException as error:
            if getattr(error, "ctx", ctx) is None:  # the parser does not know whose line it reads
                error.ctx = ctx  # type: ignore[attr-defined]
            raise

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        pieces = " ".join(self.collect_usage_pieces(ctx))  # type: ignore[attr-defined]
        formatter.write_usage(ctx.command_path, pieces, _("Usage: "))

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = _("Show this help and exit.")
        return option

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        with formatter.section(_("Options of every command")):
            formatter.write_dl(
                [
                    (
                        "--json",
                        _("One JSON document on standard output, events on standard error."),
                    ),
                    ("--lang id|en", _("Language of messages (default: SMARTCITY_LANG, LANG).")),
                    (
                        "--workspace DIR",
                        _("Folder of profiles, plans, releases, keys (default: .)."),
                    ),
                ]
            )


class Command(_Translated, TyperCommand):
    """A command whose help and complaints are in the person's language."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """As typer does, but for its words about what is left over."""
        ctx.allow_extra_args = True
        left = super().parse_args(ctx, args)
        if left and not ctx.resilient_parsing:
            raise UsageError(
                _("too many arguments: {words}").format(words=" ".join(left)),
                _("see: {command} --help").format(command=ctx.command_path),
            )
        return left


class Group(_Translated, TyperGroup):
    """A group whose help and complaints are in the person's language."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does; an unknown name lists the known ones."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise UsageError(
                _("there is no command “{name}”").format(name=args[0]),
                _("known here: {names}").format(names=", ".join(self.commands)),
            )
        return super().resolve_command(ctx, args)


def new_app(help_text: str) -> typer.Typer:
    """A group of commands with the project's manners."""
    return typer.Typer(
        cls=Group,
        help=help_text,
        no_args_is_help=True,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
