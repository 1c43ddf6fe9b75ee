#!/bin/bash
# Healthy means: nginx answers its own health path with 200. Bash alone, because it runs often.
port=${SMARTCITY_HTTP_PORT:-8080}
exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
printf 'GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r -t 2 status <&3
[[ $status == *" 200 "* ]]
