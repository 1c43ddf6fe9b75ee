#!/bin/sh
# Puts itself into the given control groups, then becomes the command:  launch.sh GROUP… -- COMMAND…
set -eu
while [ "$1" != -- ]; do
    echo $$ > "$1/cgroup.procs"
    shift
done
shift
exec "$@"
