#!/bin/bash
# Makes the cluster on the first start, starts PostgreSQL, gives every app of the rendered list its
# role and database, and then only waits. SIGTERM and SIGINT are a fast shutdown: connections are
# closed, everything committed is on disk. Passwords are read by PostgreSQL itself from the mounted
# secrets: they stand in no command line, no environment and no log.
#
# Contract: may be killed at any moment; the next start finishes what is missing.
set -euo pipefail

share=${SMARTCITY_SHARE:-/usr/local/share/smartcity}
config=${SMARTCITY_CONFIG_DIR:-/etc/smartcity}
socket=${SMARTCITY_SOCKET_DIR:-/tmp/postgresql}
data=${SMARTCITY_DATA:-/data}
bin=${SMARTCITY_PG_BIN:-/usr/lib/postgresql/17/bin}
cluster=$data/$("$bin/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')

say() { printf 'smartcity: %s\n' "$*"; }

make_cluster() {
    # A half-made cluster (power cut during initdb) never gets the final name.
    rm -rf "$cluster.part"
    say "making the cluster $cluster"
    # The builtin locale does not depend on the C library, so a base image update cannot
    # silently change the sort order of indexes. PostgreSQL 17 and newer have it.
    local locale=(--locale=C.UTF-8)
    if "$bin/initdb" --help | grep -q builtin; then
        locale=(--locale-provider=builtin --locale=C.UTF-8)
    fi
    "$bin/initdb" --pgdata="$cluster.part" --username=postgres --encoding=UTF8 "${locale[@]}" \
        --auth-local=peer --auth-host=scram-sha-256 --data-checksums >/dev/null
    mv "$cluster.part" "$cluster"
    sync
}

provision() {
    local databases='[]'
    if [[ -s $config/databases.json ]]; then databases=$(<"$config/databases.json"); fi
    "$bin/psql" --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 \
        --set=VERBOSITY=terse --set=databases="$databases" \
        --host="$socket" --username=postgres --dbname=postgres --file="$share/provision.sql"
}

# Below /tmp, because a tmpfs on a folder that the image lacks becomes root's at a restart.
mkdir -p -m 0700 "$socket"
rm -f "$socket/provisioned"
[[ -s $cluster/PG_VERSION ]] || make_cluster

# Only the user of this container may be the superuser `postgres`, and only through the socket.
printf 'smartcity %s postgres\n' "$(id -un)" >"$socket/pg_ident.conf"
# include_if_exists needs a fixed path: the rendered settings, or an empty file.
if [[ -s $config/postgresql.conf ]]; then
    cp "$config/postgresql.conf" "$socket/settings.conf"
else
    : >"$socket/settings.conf"
fi
{
    cat "$share/postgresql.conf"
    printf "data_directory = '%s'\n" "$cluster"
    printf "hba_file = '%s'\n" "$share/pg_hba.conf"
    printf "ident_file = '%s'\n" "$socket/pg_ident.conf"
    printf "unix_socket_directories = '%s'\n" "$socket"
    printf "include = '%s'\n" "$socket/settings.conf"
} >"$socket/postgresql.conf"

"$bin/postgres" -c config_file="$socket/postgresql.conf" &
server=$!
trap 'kill -INT $server 2>/dev/null || true' TERM INT

until "$bin/pg_isready" --quiet --host="$socket"; do
    kill -0 "$server" 2>/dev/null || { wait "$server"; exit $?; }
    sleep 0.2
done
if provision; then
    touch "$socket/provisioned"
    say "provisioned"
else
    say "provisioning failed; the message above names the cause" >&2
    kill -INT "$server"
    wait "$server" || true
    exit 1
fi

# A trapped signal interrupts `wait`; go on until the server itself has ended.
while true; do
    status=0
    wait "$server" || status=$?
    kill -0 "$server" 2>/dev/null || break
done
say "PostgreSQL ended with status $status"
exit "$status"
