"""Ports of the source: which of them is worth a route through the gateway.

A port that is published is meant for people; whether it speaks HTTP is guessed from its number and
from what the stores say (`stores.entrances`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_SHORT = re.compile(
    r"(?:(?:(?P<ip>\[[0-9a-fA-F:.]+\]|[^:\[\]]*):)?(?P<published>[0-9-]*):)?(?P<target>\d{1,5})"
    r"(?:-(?P<last>\d{1,5}))?(?:/(?P<protocol>tcp|udp|sctp))?"
)
# IANA's registry and common usage: what speaks something else than HTTP.
# fmt: off
_OTHER_PROTOCOLS = frozenset(
    {
        20, 21, 22, 23, 25, 53, 67, 69, 88, 110, 111, 123, 137, 138, 139, 143, 161, 179,
        389, 445, 465, 514, 515, 546, 547, 554, 587, 631, 636, 853, 873, 989, 990, 993, 995,
        1194, 1433, 1434, 1521, 1812, 1813, 1883, 1935, 2049, 2181, 2222, 2379, 2380, 3260,
        3306, 3389, 3478, 4222, 4369, 5060, 5061, 5222, 5269, 5349, 5353, 5432, 5433, 5671,
        5672, 5683, 6379, 6380, 6432, 6514, 6667, 7000, 7687, 8554, 8883, 9042, 9092, 9093,
        9094, 9300, 10514, 11211, 12201, 25565, 25672, 26257, 26379, 27017, 27018, 27019,
        33060, 50000, 51820, 61613, 61616,
    }
)
# fmt: on
_TLS = frozenset({443, 8443, 9443, 5001})
_COMMON = (80, 8080, 8000, 3000, 5000, 8081, 8888, 8069, 9000, 9090)
# Their HTTP ports are for other services, or for operators, not for the public.
_STORES_OF_DATA = re.compile(
    r"(?:postgres|postgis|timescaledb|mysql|mariadb|percona|mongo|redis|valkey|keydb|memcached"
    r"|rabbitmq|elasticsearch|opensearch|cassandra|clickhouse|couchdb|etcd|zookeeper|kafka|nats"
    r"|influxdb|mosquitto|pgbouncer|dragonfly|cockroach|solr|meilisearch|typesense)(?:-.*)?"
)


@dataclass(frozen=True)
class Port:
    """One published port; `published` is "" where the engine would choose."""

    target: int
    published: str = ""
    protocol: str = "tcp"
    last: int = 0

    @property
    def may_be_http(self) -> bool:
        """Whether people could be meant to open it in a browser."""
        return self.protocol == "tcp" and not self.last and self.target not in _OTHER_PROTOCOLS


def read_port(entry: object) -> Port | None:
    """One entry of `ports`, without variables, in either form; None where it is none."""
    if isinstance(entry, dict):
        target = str(entry.get("target", ""))
        if not re.fullmatch(r"\d{1,5}", target) or not 0 < int(target) <= 65535:
            return None
        return Port(
            int(target), str(entry.get("published") or ""), str(entry.get("protocol") or "tcp")
        )
    if isinstance(entry, bool) or not isinstance(entry, str | int):
        return None
    match = _SHORT.fullmatch(str(entry).strip())
    if match is None or not 0 < int(match["target"]) <= 65535:
        return None
    last = int(match["last"] or 0)
    return Port(int(match["target"]), match["published"] or "", match["protocol"] or "tcp", last)


def holds_data(image: str) -> bool:
    """Whether the image is a database, a queue or a cache: nothing that the public opens."""
    return bool(_STORES_OF_DATA.fullmatch(image.rpartition("/")[2].partition(":")[0].lower()))


def likeliest(ports: Iterable[Port]) -> Port | None:
    """The port of a service that a route should lead to; plain HTTP before TLS."""
    able = [p for p in ports if p.may_be_http]
    order = {number: i for i, number in enumerate(_COMMON)}
    return min(
        able,
        key=lambda p: (p.target in _TLS, order.get(p.target, len(order)), p.target),
        default=None,
    )


def is_tls(port: int) -> bool:
    """Whether a port usually speaks TLS, which the gateway does not speak to apps."""
    return port in _TLS
