"""The kernel's numbers of either version of control groups are read alike."""

from __future__ import annotations

from smartcity_pkg.hosts.usage import ProjectUsage, ServiceUsage, parse


def test_both_versions_of_control_groups_say_the_same() -> None:
    first = """\
value web memory.usage_in_bytes 1000
value web memory.max_usage_in_bytes 3000
value web inactive_file 7
value web total_inactive_file 400
value web cpuacct.usage 2500000000
volume smartcity-x_data 12
"""
    second = """\
value web memory.current 1000
value web memory.peak 3000
value web inactive_file 400
value web usage_usec 2500000
volume smartcity-x_data 12
"""
    usage = ProjectUsage({"web": ServiceUsage(600, 3000, 2.5)}, {"smartcity-x_data": 12 << 10})
    assert parse(first) == parse(second) == usage


def test_a_project_without_containers_uses_nothing() -> None:
    assert parse("") == ProjectUsage({}, {})
