"""The apps that share one server, and who requires whom among them. Rendering them is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.render.composefacts import ComposeFacts, compose_facts


@dataclass(frozen=True)
class ServerApps:
    """One server's name and its apps, providers first; `folder` is what messages call the
    catalogue's folder.
    """

    server: str
    apps: tuple[App, ...]
    folder: str = "bundles"

    def compose_path(self, app: App) -> str:
        """What messages call the Compose file of `app`."""
        return f"{self.folder}/{app.name}/compose.yaml"

    def template_path(self, app: App, template: str) -> str:
        """What messages call a template of `app`."""
        return f"{self.folder}/{app.name}/templates/{template}"

    def facts(self, app: App) -> ComposeFacts:
        """What rendering reads of the app's own Compose file."""
        return compose_facts(app.compose_text, self.compose_path(app))

    def find(self, name: str) -> App | None:
        """The app called `name`, or None where it does not run here."""
        return next((a for a in self.apps if a.name == name), None)

    def providers(self, app: App) -> tuple[App, ...]:
        """The apps of this server that provide for `app`, in this server's order.

        Of several that would do, the first of the app's list that runs here.
        """
        wanted = app.provided_by({a.name: a for a in self.apps})
        return tuple(a for a in self.apps if a.name in wanted)

    def consumers(self, app: App) -> tuple[App, ...]:
        """The apps of this server that `app` provides for, in this server's order."""
        return tuple(a for a in self.apps if app in self.providers(a))
