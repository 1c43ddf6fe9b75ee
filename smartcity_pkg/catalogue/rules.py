"""The numbered rules of `catalogue lint`: what each asks, why, how to mend, with an example.

The one place that knows the numbers' meanings; docs/lint-rules.md is made from it. A number is
never used again for something else (SC101, SC102 and SC106 became SC029, SC030 and SC028). What
breaks a rule is found in `compose`, `subset`, `references`, `catalogue` (errors, on loading),
`audit` (errors that policy.yaml can lift) and `lint` (warnings and advice).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from smartcity_pkg.catalogue.faults import closest
from smartcity_pkg.core.errors import Problem, UsageError
from smartcity_pkg.core.i18n import N_, _

Severity = Literal["error", "warning", "advice"]


@dataclass(frozen=True)
class Rule:
    """One rule. `what`, `why` and `mend` are English; `_` says them in the person's language."""

    number: str
    severity: Severity
    what: str
    why: str
    mend: str
    example: str


def numbered(number: str, problems: Iterable[Problem]) -> list[Problem]:
    """`problems` as breaches of rule `number`; what has a number keeps its own."""
    assert number in RULES
    return [p if p.rule else replace(p, rule=number) for p in problems]


def rule(number: str) -> Rule:
    """The rule called `number`, in any case; UsageError names one that is written like it."""
    if found := RULES.get(number.strip().upper()):
        return found
    raise UsageError(
        _("there is no rule “{number}”").format(number=number),
        closest(number.upper(), RULES)
        or _("docs/lint-rules.md lists the rules: {first} to {last}").format(
            first=min(RULES), last=max(RULES)
        ),
    )


_ALL = (
    Rule(
        "SC001",
        "error",
        N_("The file is YAML that can be read safely."),
        N_(
            "A key that stands twice, an unknown tag or thousands of aliases mean different things "
            "to different programs, or exhaust memory."
        ),
        N_("Mend the line that the message names: indentation, quotes, a double key."),
        "image: contoh/lapor:1.2.0   # once, not twice",
    ),
    Rule(
        "SC002",
        "error",
        N_("Every key is one that Compose knows."),
        N_("A misspelt key does nothing, and nobody notices until it is needed."),
        N_("Correct the spelling, or remove the key; x-… keys may say anything."),
        "healthcheck: {test: [CMD, curl, -f, http://localhost:8000/]}   # not: health_check",
    ),
    Rule(
        "SC003",
        "error",
        N_("Only keys that Compose and docker stack share are used."),
        N_("The same file must run on one server (Compose) and on several (Swarm)."),
        N_("Write what the message proposes instead, for instance deploy.resources."),
        'deploy: {resources: {limits: {memory: 256M, cpus: "0.5"}}}   # not: mem_limit: 256m',
    ),
    Rule(
        "SC004",
        "error",
        N_("The app is called like its folder, and the file has services."),
        N_("Plans, bundles and servers know the app by this one name."),
        N_("Write name: with the folder's name, small letters and digits joined by “-”."),
        "name: siap-kerja   # in bundles/siap-kerja/compose.yaml",
    ),
    Rule(
        "SC005",
        "error",
        N_("Every service has an image with a fixed tag."),
        N_("“latest” is another image tomorrow: nobody could say what runs, or go back to it."),
        N_("Name the version that was tried. smartcity pins the exact content itself, without @."),
        "image: contoh/lapor:1.2.0",
    ),
    Rule(
        "SC006",
        "error",
        N_("Memory and CPU are plain amounts, and no reservation exceeds its limit."),
        N_("Selection counts with these numbers before anything is installed."),
        N_("Write memory like 192M or 1G, CPU like 0.50, without variables."),
        'reservations: {cpus: "0.05", memory: 64M}',
    ),
    Rule(
        "SC007",
        "error",
        N_("A service runs once on a server."),
        N_("An app's demand is counted once, and its data has one writer."),
        N_("Remove replicas and mode, or write replicas: 1."),
        "deploy: {replicas: 1}",
    ),
    Rule(
        "SC008",
        "error",
        N_("depends_on is a list of services of the same file."),
        N_("docker stack fails on the long form, so the app itself must wait for what it needs."),
        N_("Write a list; let the app retry its database for some time after the start."),
        "depends_on: [db]",
    ),
    Rule(
        "SC009",
        "error",
        N_("Ports and lists are written in a form that can be read."),
        N_("A port without a fixed number on the server is another one after every start."),
        N_("Write the server's port too, or leave the port out and use a route."),
        'ports: ["8080:80"]',
    ),
    Rule(
        "SC010",
        "error",
        N_("x-smartcity has the fields that it must have, and no others."),
        N_("Selection, rendering and people read these fields; a misspelt one would be lost."),
        N_("docs/formats.md lists the fields; `smartcity catalogue schema app` helps editors."),
        "x-smartcity: {schema_version: 1, version: 1.2.0, group: e-gov, …}",
    ),
    Rule(
        "SC011",
        "error",
        N_("Services and templates that are named exist."),
        N_("A route, a file or a hook of a service that is not there cannot be installed."),
        N_("Correct the name; the message lists those that are known."),
        "files: [{template: app.json.j2, service: web, target: /etc/app.json}]",
    ),
    Rule(
        "SC012",
        "error",
        N_("A secret stands in x-smartcity.secrets and under the top-level secrets."),
        N_("The first makes it on the server, the second lets a service read it."),
        N_("Add it where the message says; the service reads it at /run/secrets/NAME."),
        "x-smartcity: {secrets: {db_password: {}}}\n"
        "services: {web: {secrets: [db_password]}}\n"
        "secrets: {db_password: {file: ./secrets/db_password}}",
    ),
    Rule(
        "SC013",
        "error",
        N_("A route's health path lies under the route, and each route stands once."),
        N_("The installation asks the health path through the gateway, as a citizen would."),
        N_("Write both paths beginning alike."),
        "routes: [{path: /lapor/, service: web, port: 8000, health: /lapor/healthz}]",
    ),
    Rule(
        "SC014",
        "error",
        N_("settings is a JSON Schema (draft 7) of an object, with sound defaults."),
        N_("A pemda's settings are checked against it before anything is rendered."),
        N_("Correct the keyword that the message names."),
        "settings: {type: object, properties: {days: {type: integer, default: 7}}}",
    ),
    Rule(
        "SC015",
        "error",
        N_("Required apps are in the catalogue, in an accepted version, and not in a circle."),
        N_("What an app requires is installed before it on the same server."),
        N_("Add the app, widen the range once it was tried, or take the requirement out."),
        'requires: [{app: postgres, version: ">=17,<18"}]',
    ),
    Rule(
        "SC016",
        "error",
        N_("An app is not in conflict with itself or with what it requires."),
        N_("No plan could ever hold it."),
        N_("Take the conflict or the requirement out."),
        "conflicts: [lapor-lama]",
    ),
    Rule(
        "SC017",
        "error",
        N_("No two apps of the catalogue have the same route."),
        N_("The gateway can lead a path to one app only."),
        N_("Give one of them another path."),
        "routes: [{path: /lapor-baru/, …}]",
    ),
    Rule(
        "SC018",
        "error",
        N_("TO-FILL-IN stands in drafts only."),
        N_("It marks what a person must decide; an app that holds it cannot run as it is."),
        N_("Write what belongs there, or list the open point under x-smartcity.draft again."),
        "owner: Dinas Kominfo   # not: TO-FILL-IN",
    ),
    Rule(
        "SC019",
        "error",
        N_("Apps that share an image layer say the same size of it."),
        N_("A layer that several apps share is counted once on a server, with one size."),
        N_("Measure again: `smartcity catalogue measure APP`; or give the layers other names."),
        "image_layers: {debian-13: 118}",
    ),
    Rule(
        "SC020",
        "error",
        N_("No service runs privileged, unless policy.yaml says why."),
        N_("A privileged container can do anything to the server and to every other app."),
        N_("Run it without; if it cannot, name the app in policy.yaml with a reason."),
        "exemptions: [{app: pemantau, rule: SC020, reason: Reads the temperature sensors}]",
    ),
    Rule(
        "SC021",
        "error",
        N_("Every service keeps to namespaces of its own (network, processes, users, …)."),
        N_("In the server's own ones it sees, and may disturb, what is not its business."),
        N_("Remove network_mode, pid, ipc, uts, userns_mode, cgroup; use networks and routes."),
        "networks: [default]   # not: network_mode: host",
    ),
    Rule(
        "SC022",
        "error",
        N_("No service gets the engine's socket, nor a folder that it lies in."),
        N_("Whoever can talk to the engine is root on the server."),
        N_("Do without; what must look at containers belongs on the server, not into an app."),
        "volumes: [data:/data]   # not: /var/run/docker.sock:/var/run/docker.sock",
    ),
    Rule(
        "SC023",
        "error",
        N_("Services mount their own volumes, and of the release's folder what they only read."),
        N_("Paths of the server, and volumes of other apps, hold what the app must not see."),
        N_("Use a named volume for data, a template (x-smartcity.files) for configuration."),
        "volumes: [data:/data]   # not: /srv/data:/data",
    ),
    Rule(
        "SC024",
        "error",
        N_("No service adds a capability that containers do not have anyway."),
        N_("SYS_ADMIN, NET_ADMIN and their like are parts of root on the server."),
        N_("Take cap_add out. Capabilities of Docker's own default set may be named."),
        "cap_add: [CHOWN, SETUID, SETGID]   # not: [SYS_ADMIN]",
    ),
    Rule(
        "SC025",
        "error",
        N_("No service asks for a device."),
        N_("A disk or the memory as a device opens the whole server."),
        N_("Do without; if it cannot, name the app in policy.yaml with a reason."),
        "exemptions: [{app: absensi, rule: SC025, reason: Reads the fingerprint scanner}]",
    ),
    Rule(
        "SC026",
        "error",
        N_("security_opt says nothing but no-new-privileges:true."),
        N_("Without seccomp, AppArmor or SELinux many attacks on the kernel become possible."),
        N_("Take the option out; smartcity sets no-new-privileges itself."),
        "security_opt: [no-new-privileges:true]   # not: [seccomp:unconfined]",
    ),
    Rule(
        "SC027",
        "error",
        N_("No service sets kernel parameters."),
        N_("They change how the kernel behaves; some hold for all that runs there."),
        N_("Take sysctls out; what a server needs is set on the server."),
        "exemptions: [{app: pencarian, rule: SC027, reason: Needs a longer listen queue}]",
    ),
    Rule(
        "SC028",
        "error",
        N_("Every image has a tag that does not move."),
        N_("“stable” and “latest” are another image tomorrow: nobody could say what runs."),
        N_("Name the version that was tried."),
        "image: contoh/lapor:1.2.0   # not: contoh/lapor:stable",
    ),
    Rule(
        "SC029",
        "error",
        N_("Every service has a health check."),
        N_("Without one an installation cannot see whether the app works, and never goes back."),
        N_("Add a command that fails when the service does not answer."),
        "healthcheck: {test: [CMD, curl, -f, http://localhost:8000/healthz], interval: 5s}",
    ),
    Rule(
        "SC030",
        "error",
        N_("Every service has a limit of memory and of CPU."),
        N_("Without one a single app can take the whole server down."),
        N_("Set deploy.resources.limits; `smartcity catalogue measure APP` proposes them."),
        'deploy: {resources: {limits: {memory: 256M, cpus: "0.50"}}}',
    ),
    Rule(
        "SC031",
        "error",
        N_("Nothing stands in the files that cannot be judged."),
        N_("A key that smartcity does not know may ask for anything. No exemption lifts this."),
        N_("Take it out; docs/formats.md says what an app may use."),
        "services: {web: {image: …}}   # not: include: [../other.yaml]",
    ),
    Rule(
        "SC103",
        "warning",
        N_("Every service reserves memory and CPU."),
        N_("Selection counts a service without a reservation as nothing, and overfills servers."),
        N_("Set deploy.resources.reservations; `smartcity catalogue measure APP` proposes it."),
        'deploy: {resources: {reservations: {memory: 64M, cpus: "0.05"}}}',
    ),
    Rule(
        "SC104",
        "warning",
        N_("No service runs as root."),
        N_("Who breaks into such a container is root in it, and closer to root of the server."),
        N_("Set user to a number that the image can work as."),
        'user: "10001:10001"',
    ),
    Rule(
        "SC105",
        "warning",
        N_("The root file system of every service is read-only."),
        N_("Changes there are lost at the next upgrade, and help an intruder to stay."),
        N_("Set read_only: true, and give the folders that must be written a volume or tmpfs."),
        "read_only: true\ntmpfs: [/tmp]",
    ),
    Rule(
        "SC107",
        "warning",
        N_("Only platform apps publish ports."),
        N_("The gateway is the one public entrance, with TLS, limits and a start page."),
        N_("Remove ports, add a route, and require the gateway."),
        "routes: [{path: /lapor/, service: web, port: 8000, health: /lapor/}]",
    ),
    Rule(
        "SC108",
        "warning",
        N_("No key is used that docker stack ignores."),
        N_("The app would behave otherwise on several servers than it did on one."),
        N_("Remove the key, or say it in a way that both know (deploy.restart_policy, volumes)."),
        "deploy: {restart_policy: {condition: any}}   # not: restart: always",
    ),
    Rule(
        "SC109",
        "warning",
        N_("No folder is mounted, not even one of the release to read."),
        N_("It is in no backup, and tied to where the app's files happen to lie."),
        N_("Use a named volume for data, a template (x-smartcity.files) for configuration."),
        "volumes: [data:/data]   # not: ./data:/data",
    ),
    Rule(
        "SC110",
        "warning",
        N_("Every secret is read by a service."),
        N_("A secret that nobody reads is a mistake, or a service that works without it."),
        N_("Add it to the service's secrets, or take it out."),
        "services: {web: {secrets: [db_password]}}",
    ),
    Rule(
        "SC111",
        "warning",
        N_("No password, token or key stands in the file as plain text."),
        N_("Whoever gets the catalogue or a bundle would have it, for all pemda at once."),
        N_("Declare a secret: it is made on the server. Point the app to /run/secrets/NAME."),
        "environment: {POSTGRES_PASSWORD_FILE: /run/secrets/db_password}",
    ),
    Rule(
        "SC112",
        "warning",
        N_("The app is no draft."),
        N_("No plan takes a draft: a person has still to decide something."),
        N_("Do what the open point says, then remove it from x-smartcity.draft."),
        "draft: []   # or no draft at all",
    ),
    Rule(
        "SC113",
        "warning",
        N_("Every exemption of policy.yaml is used, and has not expired."),
        N_("What nobody needs any more would silently cover the next breach."),
        N_("Take it out; or, where it expired, decide again and write a new date."),
        "exemptions: [{app: pemantau, rule: SC020, reason: …, until: 2027-12-31}]",
    ),
    Rule(
        "SC201",
        "advice",
        N_("The summary is written in Indonesian and in English."),
        N_("People read the catalogue in either language."),
        N_("Translate one of the two."),
        "summary: {id: Laporan warga, en: Citizens' reports}",
    ),
    Rule(
        "SC202",
        "advice",
        N_("Conflicts name apps of the catalogue."),
        N_("A conflict with an unknown app is often a spelling mistake."),
        N_("Correct the name, or take it out."),
        "conflicts: [lapor-lama]",
    ),
    Rule(
        "SC203",
        "advice",
        N_("Every template is used."),
        N_("A template that nobody reads misleads whoever maintains the app."),
        N_("List it under x-smartcity.files, or delete it."),
        "files: [{template: app.json.j2, service: web, target: /etc/app.json}]",
    ),
    Rule(
        "SC204",
        "advice",
        N_("Services drop the capabilities of root."),
        N_("Hardly any app needs them; an intruder does."),
        N_("Write cap_drop: [ALL], and add back single ones where the app fails without."),
        "cap_drop: [ALL]",
    ),
)
RULES = {r.number: r for r in _ALL}


def severity_word(severity: Severity) -> str:
    """What people call a severity."""
    words = {"error": _("error"), "warning": _("warning"), "advice": _("advice")}
    return words[severity]


def as_markdown() -> str:
    """docs/lint-rules.md, in the active language."""
    lines = [
        "# " + _("Rules of `catalogue lint`"),
        "",
        _(
            "This page is made from the rules themselves (`make reference`); do not edit it. "
            "`smartcity catalogue lint --explain SC012` shows one rule."
        ),
    ]
    for one in _ALL:
        lines += [
            "",
            f"## {one.number} · {severity_word(one.severity)}",
            "",
            f"**{_(one.what)}**",
            "",
            _("Why: {text}").format(text=_(one.why)),
            "",
            _("How to mend: {text}").format(text=_(one.mend)),
            "",
            *(f"    {line}" for line in one.example.splitlines()),
        ]
    return "\n".join(lines) + "\n"
