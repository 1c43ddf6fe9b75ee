"""Installs the release that a server's store holds: the story, from the lock to the commit.

lock → preflight → verify → load → files and secrets → backup → apply → health → commit; on a
failure back to the release before. Each step's work is in the module of its name; here is only
their order, and what is asked before. Going from one release to another, and back, is `switch`'s.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

from smartcity_pkg.bundle.receipt import Check, Receipt, of_store
from smartcity_pkg.bundle.trust import TrustedKeys, files_of
from smartcity_pkg.catalogue.release import Release, ReleaseImage
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Note, Progress, Step, no_progress
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import Engine
from smartcity_pkg.hosts.facts import ServerFacts
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.surroundings import gather_all
from smartcity_pkg.install import (
    images,
    installed,
    offers,
    preflight,
    receipts,
    schedule,
    watermark,
)
from smartcity_pkg.install.apply import Scene
from smartcity_pkg.install.journal import Journal, read_journal, unfinished
from smartcity_pkg.install.lock import Lock, this_process
from smartcity_pkg.install.outcome import InstallOptions, InstallReport
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.question import Question
from smartcity_pkg.install.saving import save
from smartcity_pkg.install.secrets import ensure_secrets
from smartcity_pkg.install.switch import switch


def install(
    host: Host,
    server: str,
    *,
    trusted: TrustedKeys,
    release_name: str | None = None,
    engine: Engine | None = None,
    progress: Progress = no_progress,
    options: InstallOptions | None = None,
) -> InstallReport:
    """Make `server` (as the plan calls it) run a release of its store; the newest by default.

    May be called again at any time: what is done is left alone, what a crash interrupted is
    finished. Raises LockedError, PreflightError, UntrustedBundleError and EngineError with nothing
    changed; RolledBackError where the release failed and the one before serves again;
    RollbackFailedError where that failed too; UnreachableError where the link was lost.
    """
    chosen = options or InstallOptions()
    engine = engine or ComposeEngine(host, chosen.store)
    place = Place(host, server, chosen.store, engine, chosen.at_hand)
    progress(Step(_("Locking {server}").format(server=server)))
    with Lock(host, chosen.store) as lock:
        return _Installation(place, trusted, chosen, progress, lock).run(release_name)


class _Installation:
    """One run, under the lock."""

    def __init__(
        self,
        place: Place,
        trusted: TrustedKeys,
        options: InstallOptions,
        progress: Progress,
        lock: Lock,
    ) -> None:
        self._place = place
        self._trusted = trusted
        self._options = options
        self._progress = progress
        self._lock = lock
        self._journal = Journal(
            place.host, options.store, run=uuid.uuid4().hex[:12], by=this_process()
        )
        self._started_s = time.monotonic()
        self._mark: watermark.Watermark | None = None

    def run(self, release_name: str | None) -> InstallReport:
        """The story."""
        genuine = self._verified(release_name)
        release = genuine.release
        before, known = self._history(release)
        undercut = self._judge_serial(release, before, known)
        facts, warnings, missing = self._preflight(genuine, before)
        if undercut:
            with self._journal.step("downgrade", undercut):
                self._progress(Note(_("Going below {name}, as you insist").format(name=undercut),
                                    warning=True))  # fmt: skip
        with self._journal.step("verify"):
            self._progress(Step(_("Checking every byte of {name}").format(name=release.name)))
            images.check_content(self._place, release, missing, facts)
        loaded = self._load(missing)
        made = self._prepare(release)
        scene = Scene(
            self._place, self._journal, self._progress, self._options, known, self._lock.check
        )
        saved = save(scene, release, before)
        if loaded or saved:
            self._require_room()
        with self._journal.step("install"):
            change, outage_s = switch(scene, release, before, migrate=True)
        self._commit(genuine, before)
        return InstallReport(
            server=self._place.server,
            release=release.name,
            before=before.name if before else "",
            change=change,
            images=loaded,
            secrets=made,
            backups=saved,
            warnings=warnings,
            outage_s=outage_s,
            took_s=time.monotonic() - self._started_s,
        )

    # -- before anything is changed -------------------------------------------------------------

    def _verified(self, release_name: str | None) -> offers.Genuine:
        name = offers.choose(self._place, release_name)
        self._progress(Step(_("Checking the signature of {name}").format(name=name)))
        genuine = offers.verified_release(self._place, name, self._trusted)
        self._journal.release = name
        return genuine

    def _history(self, release: Release) -> tuple[Release | None, dict[str, Release]]:
        """The current release, and all that running containers may have been made from."""
        found = installed.look(self._place)
        known = installed.read_known(self._place, found, besides=release.name)
        known[release.name] = release
        return known.get(found.current), known

    def _judge_serial(
        self, release: Release, before: Release | None, known: dict[str, Release]
    ) -> str:
        """The name of the higher release that is undercut by permission, or ""."""
        self._mark = watermark.read(self._place)
        found = installed.look(self._place)
        previous = known.get(found.previous)
        others = (previous,) if previous is not None else ()
        return watermark.judge(
            self._place.server,
            release,
            watermark.History(self._mark, before, others),
            allow_downgrade=self._options.allow_downgrade,
        )

    def _preflight(
        self, genuine: offers.Genuine, before: Release | None
    ) -> tuple[ServerFacts, tuple[str, ...], tuple[ReleaseImage, ...]]:
        release = genuine.release
        self._progress(Step(_("Checking what the server can carry")))
        facts, around = gather_all(
            self._place.host, self._options.store, self._options.public_names
        )
        self._place.engine.check(facts)
        missing = images.images_to_load(self._place, release)
        findings = preflight.judge(
            Question(
                server=self._place.server,
                facts=facts,
                clock_s=self._options.clock(),
                release=release,
                files=files_of(release, lambda d: offers.read_blob(self._place, d)),
                before=before,
                missing=missing,
                grant=genuine.grant,
                around=around,
            )
        )
        warnings = preflight.require(self._place.server, findings, self._options.accept)
        for found in warnings:
            if not found.told_only:
                self._journal.write("accept", "done", found.rule, found.text)
            self._progress(Note(found.text, warning=True))
        return facts, tuple(f.text for f in warnings), missing

    # -- changes that disturb nobody ------------------------------------------------------------

    def _load(self, missing: tuple[ReleaseImage, ...]) -> tuple[str, ...]:
        doubt = missing and unfinished(read_journal(self._place.host, self._options.store), "load")
        self._lock.check()
        return images.load_images(
            self._place, missing, self._journal, self._progress, doubt=bool(doubt)
        )

    def _prepare(self, release: Release) -> tuple[str, ...]:
        self._lock.check()
        self._progress(Step(_("Preparing configuration and secrets")))
        with self._journal.step("files"):
            installed.unpack(self._place, release)
        with self._journal.step("secrets"):
            return ensure_secrets(self._place, release.on_server(self._place.server))

    def _require_room(self) -> None:
        """PreflightError where images, backups or other programs have meanwhile filled a disk.

        Nothing is stopped yet; later, apps could neither write nor be asked whether they are well.
        """
        facts, around = gather_all(self._place.host, self._options.store)
        now = Question(
            server=self._place.server, facts=facts, clock_s=self._options.clock(), around=around
        )
        preflight.require(self._place.server, preflight.room(now))

    def _commit(self, genuine: offers.Genuine, before: Release | None) -> None:
        self._lock.check()
        release = genuine.release
        watermark.raise_to(self._place, release, self._mark)
        receipts.keep(self._place, release.name, self._receipt(genuine))
        if before is None or before.name != release.name:
            with self._journal.step("commit"):
                installed.commit(self._place, release.name, before=before.name if before else "")
        schedule.refresh(self._place, release)
        images.drop_loaded_layers(self._place, release)

    def _receipt(self, genuine: offers.Genuine) -> Receipt:
        check = Check("install", this_process(), datetime.now(UTC))
        proven = (genuine.root_digest, genuine.release, genuine.signatures, genuine.grant_bytes)
        return of_store(*proven, self._trusted, check)
