"""What looks like a secret, and what only sounds like one."""

from __future__ import annotations

import pytest

from smartcity_pkg.catalogue.app import MARKER
from smartcity_pkg.catalogue.plaintext import is_secret, without_secrets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MYSQL_ROOT_PASSWORD", "rahasia"),
        ("DB_PASS", "12345678"),
        ("PASSWORD", "x"),
        ("DBPASSWD", "x"),
        ("JWT_SECRET", "abc"),
        ("SECRET_KEY_BASE", "abc"),
        ("APP_KEY", "base64:AAAA"),
        ("AWS_SECRET_ACCESS_KEY", "abc"),
        ("GITHUB_TOKEN", "ghp_x"),
        ("STRIPE_API_KEY", "sk"),
        ("N8N_ENCRYPTION_KEY", "abc"),
        ("RABBITMQ_ERLANG_COOKIE", "abc"),
        ("AUTH_SALT", "abc"),
        ("db_password", "x"),
        ("GITEA__database__PASSWD", "x"),
    ],
)
def test_a_secret_is_seen(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/x"),
        ("ALLOW_EMPTY_PASSWORD", "yes"),
        ("MYSQL_RANDOM_ROOT_PASSWORD", "1"),
        ("PASSWORD_MIN_LENGTH", "12"),
        ("TOKEN_EXPIRY", "3600"),
        ("ACCESS_TOKEN_LIFETIME", "3600"),
        ("DB_PASSWORD", ""),
        ("DB_PASSWORD", MARKER),
        ("DB_PASSWORD", "${DB_PASSWORD}"),
        ("COMPASS_URL", "x"),
        ("PASSENGER_APP_ENV", "production"),
        ("MONKEY", "banana"),
        ("KEYBOARD", "id"),
        ("TZ", "Asia/Jakarta"),
        ("REDIS_URL", "redis://redis:6379"),
    ],
)
def test_what_only_sounds_like_a_secret_is_left(name: str, value: str) -> None:
    assert not is_secret(name, value)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgres://u:p4ss@db:5432/x", f"postgres://u:{MARKER}@db:5432/x"),
        ("redis://:p4ss@redis/0", f"redis://:{MARKER}@redis/0"),
        ("redis-server --requirepass p4ss --appendonly yes",
         f"redis-server --requirepass {MARKER} --appendonly yes"),
        ("mc admin --secret-key=abc", f"mc admin --secret-key={MARKER}"),
        ("http://web:8080/path", "http://web:8080/path"),
        ("redis-server --requirepass $$REDIS", "redis-server --requirepass $$REDIS"),
        ("ls -a /data", "ls -a /data"),
    ],
)  # fmt: skip
def test_passwords_in_addresses_and_commands_go(text: str, clean: str) -> None:
    assert without_secrets(text) == clean
