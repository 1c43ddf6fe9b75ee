"""From the release that runs to another one, and back again if it fails.

The way back is proven before anything is stopped. What citizens miss meanwhile is measured. Used by
`run` (forwards) and `rollback` (backwards); making a server run one release is `apply`'s.
"""

from __future__ import annotations

import time
from dataclasses import replace

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import (
    EngineError,
    LockedError,
    PreflightError,
    RollbackFailedError,
    RolledBackError,
    SmartCityError,
    UnreachableError,
)
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note, Step
from smartcity_pkg.core.units import seconds_text
from smartcity_pkg.install import images, installed
from smartcity_pkg.install.apply import AppsData, Scene, apply, plan_change, public_routes
from smartcity_pkg.install.outage import OutageMeter
from smartcity_pkg.install.outcome import Change
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.saving import after_failure

_LOOK_S = 1.0


def switch(
    scene: Scene, release: Release, before: Release | None, *, migrate: bool
) -> tuple[Change, float]:
    """Make the server run `release` instead of `before`; what changed, and seconds of outage.

    Raises PreflightError with nothing changed where there would be no way back; RolledBackError
    where `release` failed and `before` serves again (or nothing, where nothing ran);
    RollbackFailedError where going back failed too. A lost link or lock stops the work as it is.
    """
    change = plan_change(scene, release)
    target = before if before is not None and before.name != release.name else None
    if target is not None and (change.started or change.removed):
        prove_way_back(scene.place, target)
    routes = public_routes(scene.place, before) if before else ()
    with OutageMeter(scene.place.host, [r for r in routes if r.app not in change.removed]) as meter:
        try:
            change = apply(scene, release, migrate=migrate)
        except (LockedError, UnreachableError):
            raise
        except (SmartCityError, KeyboardInterrupt) as failure:
            if before is not None and target is None:
                raise _not_repaired(scene, before, failure) from failure
            _go_back(scene, target, failure)
            raise _rolled_back(scene, release, target, failure, meter) from failure
    return change, meter.outage_s


def prove_way_back(place: Place, release: Release) -> None:
    """PreflightError unless `release` could be started again from what is on the server."""
    missing = images.prove_images(place, release)
    if not missing and installed.files_intact(place, release):
        return
    what = (
        _("images are missing: {names}").format(names=", ".join(missing))
        if missing
        else _("its files were changed")
    )
    raise PreflightError(
        _("{server}: {name} could not be started from what is on the server: {what}").format(
            server=place.server, name=release.name, what=what
        ),
        _("nothing was changed; send and install {name} once more").format(name=release.name),
    )


def _go_back(
    scene: Scene, target: Release | None, failure: SmartCityError | KeyboardInterrupt
) -> None:
    scene.progress(Note(_reason(failure), warning=True))
    text = (
        _("Going back to {name}").format(name=target.name)
        if target
        else _("Removing what was started")
    )
    scene.progress(Step(text))
    try:
        _await_engine(scene)
        with scene.journal.step("roll back"):
            # Data that this way has put back go again: those of before belong to the target.
            data = AppsData(restore=scene.data.saved if scene.data.restore else {})
            apply(replace(scene, data=data), target, migrate=False)
    except (LockedError, UnreachableError):
        raise
    except SmartCityError as second:
        raise RollbackFailedError(
            _("{server}: {why}\nand going back failed too: {second}").format(
                server=scene.place.server, why=_reason(failure), second=second.message
            ),
            second.hint
            or _("see what is wrong: smartcity doctor; put it right, then install again"),
        ) from second


def _await_engine(scene: Scene) -> None:
    """An engine that died is started again by its service manager; going back needs it."""
    until_s, engine = time.monotonic() + scene.options.engine_s, scene.place.engine
    if engine.answers():
        return
    scene.progress(Step(_("Waiting for Docker, which does not answer")))
    while time.monotonic() < until_s and not engine.answers():
        scene.check()
        time.sleep(_LOOK_S)


def _rolled_back(
    scene: Scene,
    release: Release,
    target: Release | None,
    failure: SmartCityError | KeyboardInterrupt,
    meter: OutageMeter,
) -> SmartCityError | KeyboardInterrupt:
    if isinstance(failure, KeyboardInterrupt):
        return failure
    server, told = scene.place.server, after_failure(scene)
    why = f"{failure.message}\n{told}" if told else failure.message
    hint = failure.hint or _("correct the cause, pack a new release, then ship and install it")
    if target is None:
        message = _(
            "{server}: the release {name} failed; as before, nothing runs on the server: {why}"
        ).format(server=server, name=release.name, why=why)
    else:
        message = _(
            "{server}: the release {name} failed, and {old} serves again"
            " (outage of {outage}): {why}"
        ).format(
            server=server,
            name=release.name,
            old=target.name,
            outage=seconds_text(meter.outage_s),
            why=why,
        )
    return RolledBackError(message, hint)


def _not_repaired(
    scene: Scene, current: Release, failure: SmartCityError | KeyboardInterrupt
) -> SmartCityError | KeyboardInterrupt:
    """A repair of what is current failed: going back is for a person to decide."""
    if isinstance(failure, KeyboardInterrupt):
        return failure
    return EngineError(
        _("{server}: {name} is installed, and could not be made well: {why}").format(
            server=scene.place.server, name=current.name, why=failure.message
        ),
        _("what is likely wrong: smartcity doctor; to the release before: smartcity rollback"),
    )


def _reason(failure: SmartCityError | KeyboardInterrupt) -> str:
    return failure.message if isinstance(failure, SmartCityError) else _("interrupted")
