#!/bin/sh
# Installs Debian packages on top of lower trees; what changes lands in UPPER and nowhere else.
# Runs in its own mount and pid namespace (the caller sees to that): a killed build leaves no mount.
#
#   install.sh LOWER[:LOWER…] UPPER WORK MERGED APT_CACHE UPDATE BEFORE AFTER EXCLUDES PACKAGE…
#
# UPDATE    yes: fetch the package lists first
# BEFORE    shell text to run in the tree before the packages, AFTER after them (may be empty)
# EXCLUDES  dpkg path-exclude patterns, separated by blanks (may be empty)
set -eu
lower=$1 upper=$2 work=$3 root=$4 apt=$5 update=$6 before=$7 after=$8 excludes=$9
shift 9

mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
mount --bind "$apt/lists" "$root/var/lib/apt/lists"
mount --bind "$apt/archives" "$root/var/cache/apt/archives"
# Only for as long as this runs: names resolve, and no package starts its service.
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

in_root() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}" \
        chroot "$root" "$@"
}
[ -z "$before" ] || in_root sh -euc "$before"
[ "$update" != yes ] || in_root apt-get -qq update
set -f
options=
for pattern in $excludes; do options="$options -o Dpkg::Options::=--path-exclude=$pattern"; done
# shellcheck disable=SC2086 # one word an option
in_root apt-get -qq -y --no-install-recommends -o APT::Keep-Downloaded-Packages=true \
    -o APT::Sandbox::User=root $options install "$@"
set +f
[ -z "$after" ] || in_root sh -euc "$after"

# What an installation leaves behind and nobody reads: none of it is the same twice.
rm -f "$root/etc/resolv.conf" "$root/usr/sbin/policy-rc.d" "$root/var/cache/ldconfig/aux-cache" \
    "$root"/var/lib/dpkg/*-old "$root"/var/cache/apt/*.bin \
    "$root"/etc/passwd- "$root"/etc/group- "$root"/etc/shadow- "$root"/etc/gshadow- \
    "$root"/etc/subuid- "$root"/etc/subgid-
rm -rf "$root"/var/cache/debconf/* "$root"/var/log/*.log "$root"/var/log/apt/*
