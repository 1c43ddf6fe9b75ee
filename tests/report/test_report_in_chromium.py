"""The report in a real browser: light and dark, narrow and wide, on paper."""

from __future__ import annotations

import os

import browser
import pytest
from report_world import report

WIDTHS = [320, 360, 740, 961, 1280]


@pytest.fixture(scope="module", autouse=True)
def needs_chromium() -> None:
    """As everywhere: missing is a failure in CI, a plain skip elsewhere."""
    if browser.chromium() is None:
        if os.environ.get("SMARTCITY_CI"):
            pytest.fail("CI must have it: the Debian package chromium", pytrace=False)
        pytest.skip("Chromium is not installed (apt-get install chromium)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", WIDTHS)
def test_nothing_sticks_out_or_is_cut_off(width_px: int, scheme: str) -> None:
    found = browser.measure(report(many=20)[0], width_px=width_px, scheme=scheme)
    assert found.width == width_px
    assert found.scroll_width == width_px
    assert found.sticking_out == ()
    assert found.clipped == ()
    assert found.height > 1000


def test_nothing_is_fetched_and_the_console_stays_silent() -> None:
    found = browser.measure(report()[0], width_px=1280, scheme="light")
    assert found.loaded == ()
    assert found.complaints == ()


def test_the_colours_follow_what_the_person_prefers() -> None:
    source = report()[0]
    light, dark = (
        browser.measure(source, width_px=1280, scheme=scheme) for scheme in ("light", "dark")
    )
    assert light.background != dark.background
    assert brightness(light.background) > brightness(light.colour)
    assert brightness(dark.background) < brightness(dark.colour)


def brightness(colour: str) -> int:
    """Of `rgb(…)`."""
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


def test_it_prints_to_pages() -> None:
    assert browser.pdf(report(many=40)[0]).startswith(b"%PDF-")
