#!/bin/bash
# Healthy means: connections are accepted and every app's role and database is there.
socket=${SMARTCITY_SOCKET_DIR:-/tmp/postgresql}
bin=${SMARTCITY_PG_BIN:-/usr/lib/postgresql/17/bin}
[[ -f $socket/provisioned ]] && exec "$bin/pg_isready" --quiet --timeout=3 --host="$socket"
