#!/bin/sh
# PID 1 of a practice server, still in the old root: mounts what a server has, then moves into it.
#
#   init.sh NAME LOWER[:LOWER…] STATE ENGINE CONTROLLERS DISK SOCKETS STORE [DOCKERD_OPTION…]
#
# STATE        the server's folder outside: upper, work, root
# ENGINE       yes or no
# CONTROLLERS  cgroup v1 hierarchies, separated by blanks; empty: cgroup v2
# DISK         what /var/lib/docker is: a folder, or an image with a file system
# SOCKETS      a folder outside in which the engine listens as well
# STORE        MiB of a tmpfs on /var/lib/smartcity; 0: none; docker: it lies on DISK too
set -eu
name=$1 lower=$2 state=$3 engine=$4 controllers=$5 disk=$6 sockets=$7 store=$8
shift 8
root=$state/root

hostname "$name"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$state/upper,workdir=$state/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : > "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"

# Control groups as seen through this server's own cgroup namespace.
if [ -n "$controllers" ]; then
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    for c in $controllers; do
        mkdir "$root/sys/fs/cgroup/${c#name=}"
        case $c in
            name=*) mount -t cgroup -o "none,$c" cgroup "$root/sys/fs/cgroup/${c#name=}" ;;
            *) mount -t cgroup -o "$c" cgroup "$root/sys/fs/cgroup/$c" ;;
        esac
    done
else
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    # A group that has processes cannot hand controllers down: move aside first.
    mkdir -p "$root/sys/fs/cgroup/init"
    echo $$ > "$root/sys/fs/cgroup/init/cgroup.procs"
    for c in $(cat "$root/sys/fs/cgroup/cgroup.controllers"); do
        echo "+$c" > "$root/sys/fs/cgroup/cgroup.subtree_control" || true
    done
fi

# overlay2 cannot sit on an overlay: Docker's data lies on a real file system.
if [ "$engine" = yes ]; then
    mkdir -p "$root/var/lib/docker"
    if [ -d "$disk" ]; then
        mount --bind "$disk" "$root/var/lib/docker"
    else
        mount -o loop "$disk" "$root/var/lib/docker"
    fi
    mkdir -p "$root/run/lab"
    mount --bind "$sockets" "$root/run/lab"
fi
case $store in
0) ;;
docker)
    mkdir -p "$root/var/lib/docker/.store" "$root/var/lib/smartcity"
    mount --bind "$root/var/lib/docker/.store" "$root/var/lib/smartcity"
    ;;
*)
    mkdir -p "$root/var/lib/smartcity"
    mount -t tmpfs -o "mode=755,size=${store}m" tmpfs "$root/var/lib/smartcity"
    ;;
esac

cp "$(dirname "$0")/engine.sh" "$root/run/engine.sh"
: > "$root/run/dockerd.options"
for option; do printf '%s\n' "$option" >> "$root/run/dockerd.options"; done
mkdir -p "$root/run/sshd" "$root/.old"
cd "$root"
pivot_root . .old
exec chroot . /bin/sh -c '
    umount -l /.old
    rmdir /.old 2>/dev/null || true
    key=/etc/ssh/ssh_host_ed25519_key
    [ -s $key ] || ssh-keygen -q -t ed25519 -N "" -C "" -f $key
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        tini -s -g -- /bin/sh -c "
            /usr/sbin/sshd -D -e -o UseDNS=no -o PidFile=none >>/var/log/sshd.log 2>&1 &
            [ $0 = no ] || sh /run/engine.sh start
            while :; do sleep 86400 & wait \$!; done"' "$engine"
