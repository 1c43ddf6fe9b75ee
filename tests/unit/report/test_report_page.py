"""The report says what the plan says, in one file that needs nothing else."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser

import pytest
from report_world import LONG, report

from smartcity_pkg.core import i18n
from smartcity_pkg.report import figures
from smartcity_pkg.report.page import day_text
from smartcity_pkg.selection import limits
from smartcity_pkg.selection.purchase import unit_prices

VOID = {"meta", "link", "br", "hr", "img", "input", "rect"}


class Page(HTMLParser):
    """The page's texts by tag and its attributes; complains where tags do not match."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _value in attrs}) == len(attrs), (tag, attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((tuple(self.open), " ".join(data.split())))

    def within(self, tag: str) -> list[str]:
        return [text for path, text in self.texts if tag in path]

    @property
    def words(self) -> str:
        return " ".join(text for path, text in self.texts if "style" not in path)


@pytest.fixture
def in_indonesian() -> Iterator[None]:
    i18n.activate("id")
    yield
    i18n.activate("en")


def test_the_tags_match_and_no_id_or_heading_level_is_missing() -> None:
    page = Page(report()[0])
    ids = [a["id"] for _tag, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids)) > 2
    assert {a["aria-labelledby"] for _tag, a in page.tags if "aria-labelledby" in a} == set(ids)
    levels = [int(tag[1]) for tag, _a in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(lower <= upper + 1 for upper, lower in itertools.pairwise(levels))


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    source = report()[0]
    page = Page(source)
    assert not {tag for tag, _a in page.tags} & {"script", "link", "img", "iframe", "object"}
    names = {name for _tag, a in page.tags for name in a}
    assert not names & {"src", "href", "srcset", "style"}
    assert not [n for n in names if n.startswith("on")]
    assert not re.search(r"https?:|url\(|@import|//[a-z]", source)


def test_names_from_files_are_text_and_no_markup() -> None:
    source = report()[0]
    assert "<script>" not in source
    assert "data &amp; AI &lt;script&gt;" in source


def test_every_app_stands_in_the_table_where_the_plan_has_it() -> None:
    source, plan, _apps, _pemda = report()
    page = Page(source)
    rows = " | ".join(page.within("th"))
    for app in plan.apps:
        assert f"{app.app} {app.version}" in rows
    for left in plan.left_out:
        assert left.app in rows
        assert left.reason in page.words
    assert {left.app for left in plan.left_out} >= {"banned", "wide", "trained", "foe"}


def test_the_numbers_are_the_plans() -> None:
    source, plan, _apps, pemda = report()
    page = Page(source)
    shown = page.within("dd")
    assert str(len(plan.apps)) in shown
    assert str(plan.benefit) in shown
    assert f"{len(plan.left_out)} left out" in shown
    assert "Agreements judged on 1 June 2026." in page.words
    bars = [a["aria-label"] or "" for tag, a in page.tags if tag == "svg" and a.get("role")]
    memory = {u.scope: u for u in plan.usage if u.limit == limits.MEMORY}["layanan"]
    assert any(f"of {memory.available / 1024:.2f} GiB" in b for b in bars)
    assert len(bars) == len([u for u in plan.usage if u.limit != limits.INSTALLING])
    assert f"{pemda.population:,} residents" in page.words


def test_every_bar_is_as_long_as_its_share() -> None:
    source, plan, _apps, _pemda = report()
    widths = re.findall(r'class="fill" width="([\d.]+)"', source)
    expected = [f"{bar.percent:.2f}" for s in figures.scopes(plan) for bar in s.bars]
    assert [w for w in widths if w != "9"] == expected
    for scope in figures.scopes(plan):
        for bar in scope.bars:
            assert 0 <= bar.percent <= bar.peak_percent <= 100
            assert bar.percent == pytest.approx(
                100 * bar.used / bar.available if bar.available else 0
            )


def test_purchases_are_ranked_by_benefit_for_each_rupiah() -> None:
    source, plan, _apps, pemda = report()
    found = figures.next_purchases(plan, pemda.prices)
    units = unit_prices(pemda.prices)
    priced = [p for p in found if p.price is not None]
    assert [p.app for p in found if p.price is None] == ["trained"]
    assert found[: len(priced)] == tuple(priced)
    assert [p.worth for p in priced] == sorted((p.worth for p in priced), reverse=True)
    for p in priced:
        price = sum(units[e.limit] * limits.demanded(e.limit, e.amount) for e in p.extra)
        assert p.price == price
        assert p.worth == pytest.approx(p.benefit * 1e6 / float(price))
    assert "Ranked by benefit for each rupiah" in source


def test_without_prices_the_page_says_what_it_ranks_by_instead() -> None:
    source, plan, _apps, pemda = report(prices=False)
    found = figures.next_purchases(plan, pemda.prices)
    assert found and all(p.price is None for p in found)
    assert [p.worth for p in found] == sorted((p.worth for p in found), reverse=True)
    assert "says nothing about money" in source
    assert "Ranked by benefit for each rupiah" not in source


def test_what_is_barred_or_in_conflict_is_no_purchase() -> None:
    _source, plan, _apps, pemda = report()
    assert not {"banned", "foe"} & {p.app for p in figures.next_purchases(plan, pemda.prices)}


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert report()[0] == report()[0]


def test_the_page_is_in_the_active_language(in_indonesian: None) -> None:
    assert '<html lang="id">' in report()[0]


def test_the_date_is_the_one_given() -> None:
    assert day_text(date(2026, 11, 23)) == "23 November 2026"
    assert "2 January 2027" in report(judged_on=date(2027, 1, 2))[0]


def test_a_long_name_stands_whole() -> None:
    assert LONG in report()[0]


# -- colours --------------------------------------------------------------------------------------


def palette(source: str, scheme: str) -> dict[str, str]:
    """The custom properties of `:root` that hold in a scheme."""
    light, dark = re.findall(r":root \{(.*?)\}", source, re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    return (
        found if scheme == "light" else found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", dark))
    )


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(f * p for f, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_bars_stand_out_enough(scheme: str) -> None:
    colours = palette(report()[0], scheme)
    for ground in ("page", "card", "tint"):
        for ink in ("ink", "soft"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["mark"], colours["page"]) >= 4.5
    assert contrast(colours["full"], colours["card"]) >= 4.5
    for bar in ("fill", "full"):  # WCAG 2.2, 1.4.11: graphics
        assert contrast(colours[bar], colours["track"]) >= 3
