"""How gunicorn serves an app: one worker, few threads, little memory, logs as JSON lines."""

from layanan.logs import logging_config

bind = "0.0.0.0:8000"
workers = 1
worker_class = "gthread"
threads = 4
worker_tmp_dir = "/tmp"  # noqa: S108 - the container's own tmpfs
timeout = 60
graceful_timeout = 20
keepalive = 5
# Only the gateway reaches port 8000; it sets the forwarded headers.
forwarded_allow_ips = "*"
logconfig_dict = logging_config()
