#!/bin/bash
# Starts nginx with the rendered configuration, or with the image's own when there is none.
# Where the configuration uses TLS and the data volume holds no certificate, it makes a self-signed
# one; an operator's tls.crt and tls.key there are never touched.
set -euo pipefail

share=${SMARTCITY_SHARE:-/usr/local/share/smartcity}
config=${SMARTCITY_CONFIG_DIR:-/etc/smartcity}
data=${SMARTCITY_DATA:-/data}

conf=$config/nginx.conf
[[ -s $conf ]] || conf=$share/default.conf

make_certificate() {
    local name san
    # The first server_name of the configuration; the renderer writes the site's domain there.
    name=$(sed -nE 's/^[[:space:]]*server_name[[:space:]]+([^ ;]+).*/\1/p' "$conf" | head -n 1)
    name=${name:-localhost}
    san=DNS:$name
    if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then san=IP:$name; fi
    echo "smartcity: making a self-signed certificate for $name" >&2
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=${name:0:64}" -addext "subjectAltName=$san" \
        -keyout "$data/tls/tls.key.part" -out "$data/tls/tls.crt.part" 2>/dev/null
    chmod 600 "$data/tls/tls.key.part"
    touch "$data/tls/self-signed"
    mv "$data/tls/tls.key.part" "$data/tls/tls.key"
    mv "$data/tls/tls.crt.part" "$data/tls/tls.crt"
}

mkdir -p "$data/tls" "$data/body"
if grep -qE '^[[:space:]]*ssl_certificate[[:space:]]' "$conf"; then
    if [[ ! -e $data/tls/tls.crt && ! -e $data/tls/tls.key ]]; then
        make_certificate
    elif [[ -e $data/tls/self-signed ]]; then
        # Ours: also remade when a kill left half of it, or when it ends within 30 days.
        openssl x509 -in "$data/tls/tls.crt" -noout -checkend 2592000 >/dev/null 2>&1 \
            || make_certificate
    fi
fi

exec nginx -e stderr -c "$conf" -g 'daemon off;'
