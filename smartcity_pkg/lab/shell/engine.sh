#!/bin/sh
# Inside a practice server: start or stop its Docker Engine.   engine.sh start | stop | kill
set -eu
case $1 in
start)
    # Left by a power cut; a process of another life may have the number now.
    rm -f /run/docker.pid /run/docker/containerd/containerd.pid
    # One option a line; none of them holds blanks.
    # shellcheck disable=SC2046
    setsid /usr/sbin/dockerd -H unix:///run/docker.sock -H unix:///run/lab/docker.sock \
        $(cat /run/dockerd.options) >>/var/log/dockerd.log 2>&1 </dev/null &
    ;;
stop)
    pkill -TERM -x dockerd || exit 0
    # Containers get their grace period first; the caller limits the whole.
    while pgrep -x dockerd >/dev/null; do sleep 0.05; done
    ;;
kill)
    pkill -KILL -x dockerd || true
    pkill -KILL -x containerd || true
    ;;
esac
