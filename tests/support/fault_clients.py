"""Two citizens of LAKSA: one asks whether it answers, one files complaints, both all the time.

What they saw bears this machine's monotonic seconds; judging it is `fault_trial`'s.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.apps import journeys

ASK_S, FILE_S = 0.1, 0.3
_ASK_TIMEOUT_S, _FILE_TIMEOUT_S = 2.0, 10.0
_PHOTO_EACH = 10
_FORM = {
    "category": "Lainnya",
    "place": "Alun-alun",
    "description": "Lampu mati, gelap pada malam hari.",
}
_FAULTS = (OSError, ValueError, http.client.HTTPException, journeys.JourneyError)


@dataclass(frozen=True)
class Seen:
    """One question about LAKSA's health, and the version that answered it well ("": none did)."""

    asked_s: float
    answered_s: float
    version: str


def gaps(seen: Iterable[Seen], since_s: float, until_s: float) -> list[float]:
    """How long nobody answered, each time: from a question that failed to the next good answer."""
    found, failing_s = [], None
    for one in seen:
        if not since_s <= one.asked_s <= until_s:
            continue
        if not one.version:
            failing_s = failing_s if failing_s is not None else one.asked_s
        elif failing_s is not None:
            found.append(one.answered_s - failing_s)
            failing_s = None
    return found if failing_s is None else [*found, until_s - failing_s]


class Watcher(threading.Thread):
    """Asks LAKSA's health path at the public entrance until `end`."""

    def __init__(self, base_url: str) -> None:
        super().__init__(name="watcher", daemon=True)
        self.seen: list[Seen] = []
        self._browser = journeys.Browser(base_url, _ASK_TIMEOUT_S)
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(ASK_S):
            asked_s = time.monotonic()
            version = self._version()
            self.seen.append(Seen(asked_s, time.monotonic(), version))

    def end(self) -> None:
        self._ended.set()
        self.join(2 * _ASK_TIMEOUT_S)

    def now(self) -> str:
        """The version that answers a question asked from now on."""
        since = len(self.seen)
        while len(self.seen) < since + 2 and self.is_alive():
            time.sleep(ASK_S / 2)
        return self.seen[-1].version

    def _version(self) -> str:
        try:
            answer = self._browser.get("/laksa/healthz", as_json=True)
            return str(answer.json()["version"]) if answer.status == 200 else ""
        except _FAULTS:
            return ""


@dataclass(frozen=True)
class Ticket:
    """A complaint that LAKSA acknowledged."""

    number: str
    photo: bool


class Writer(threading.Thread):
    """Files complaints, some with a photo, until `end`; what was acknowledged is remembered."""

    def __init__(self, base_url: str) -> None:
        super().__init__(name="writer", daemon=True)
        self.acknowledged: list[Ticket] = []
        self.refused = 0
        self._browser = journeys.Browser(base_url, _FILE_TIMEOUT_S)
        self._ended = threading.Event()

    def run(self) -> None:
        for number in itertools.count():
            if self._ended.wait(FILE_S):
                return
            self._file(photo=number % _PHOTO_EACH == 0)

    def end(self) -> None:
        self._ended.set()
        self.join(2 * _FILE_TIMEOUT_S)

    def forget(self, lost: Iterable[Ticket]) -> None:
        """What was found lost once is not counted again."""
        gone = set(lost)
        self.acknowledged = [t for t in self.acknowledged if t not in gone]

    def _file(self, *, photo: bool) -> None:
        files = [("photo", journeys.File("foto.png", journeys.PNG))] if photo else None
        try:
            answer = self._browser.post("/laksa/lapor", _FORM, files)
            number = str(journeys.expect(answer, 201, "file a complaint")["ticket"])
        except _FAULTS:
            self.refused += 1
        else:
            self.acknowledged.append(Ticket(number, photo))
