"""The form of a patch, and the shell that applies one; making patches is for `bundle.patch`.

A patch is a first line of 32 bytes (`smartcity-patch 1` and the length of the program), the
program as a zstd frame, then frames. The program's lines:

    d START SIZE     bytes of the old layer that join the dictionary
    z SIZE           the next frame opens, with the dictionary so far; the dictionary is empty again
    a SIZE           the next frame opens, to a difference from the dictionary so far; as for z
    c START SIZE     bytes of the old layer come next in the new one
    t SIZE           bytes of the opened frames, in their order, come next in the new one

Frames have windows of at most 8 MiB and dictionaries of about 12 MiB at most, so a server needs
little memory for them, and any zstd from 1.0 on opens them.

A difference says bytes as sums: compiled code that has moved differs from what it was in its
addresses, by little (Percival 2003, "Naive differences of executable code"). It begins with numbers
in base 128 (`w` of Perl's pack): how many steps; for each step how many bytes are added to those of
the dictionary; for each how many come next as they are; for each how far to go on in the dictionary
(twice the distance; for a way back, one less). The bytes to add follow, then those as they are.
Perl puts it together, which every Debian has; no server without it is sent one.
"""

from __future__ import annotations

HEAD_BYTES = 32
MAGIC = "smartcity-patch 1 "


def head(program_bytes: int) -> bytes:
    """The first line; the number is padded with spaces, because a shell reads 010 as eight."""
    return f"{MAGIC}{program_bytes:13d}\n".encode()


# No quotes inside: it stands between single quotes. Most of what is added is zero.
ADD = r"""
local $/; binmode STDIN; binmode STDOUT;
open(my $file, "<:raw", $ARGV[0]) or die; my $old = <$file>; my $rest = <STDIN>;
my ($steps, @n) = unpack("w", $rest);
($steps, @n) = unpack("w" . (3 * $steps + 1) . " a*", $rest); $rest = pop(@n);
my ($sum, $at) = ("", 0);
for (0 .. $steps - 1) {
  $sum .= substr($old, $at, $n[$_]);
  my $way = $n[$_ + 2 * $steps]; $at += $n[$_] + ($way % 2 ? -($way + 1) / 2 : $way / 2);
}
my $end = length($sum); my $add = substr($rest, 0, $end);
while ($add =~ /[^\0]+/g) {
  my ($from, $size) = ($-[0], $+[0] - $-[0]);
  my @was = unpack("C*", substr($sum, $from, $size));
  substr($sum, $from, $size) = pack("C*", map { $_ + shift(@was) & 255 } unpack("C*", $&));
}
$at = 0;
for (0 .. $steps - 1) {
  print substr($sum, $at, $n[$_]), substr($rest, $end, $n[$_ + $steps]) or die;
  $at += $n[$_]; $end += $n[$_ + $steps];
}
close(STDOUT) or die;
"""

# Expects $part (the patch), $base (the old layer) and $new (an empty folder of its own); writes the
# new layer to standard output. Whether that is right is told by its sum alone.
APPLY = f"""
rebuild() {{
  read -r name version length <"$part"
  [ "$name $version " = "{MAGIC}" ] || return 1
  piece "$part" {HEAD_BYTES} "$length" | zstd -q -d -c >"$new/program" || return 1
  produce | assemble
}}
piece() {{ dd if="$1" iflag=skip_bytes,count_bytes skip="$2" count="$3" bs=1M 2>/dev/null; }}
produce() {{
  at=$(({HEAD_BYTES} + length))
  dictionary=$new/dictionary
  : >"$dictionary"
  while read -r op one two; do
    case $op in
      d) piece "$base" "$one" "$two" >>"$dictionary" ;;
      z)
        if [ -s "$dictionary" ]; then piece "$part" "$at" "$one" | zstd -q -d -c -D "$dictionary"
        else piece "$part" "$at" "$one" | zstd -q -d -c; fi
        at=$((at + one))
        : >"$dictionary"
        ;;
      a)
        piece "$part" "$at" "$one" | zstd -q -d -c | perl -e '{ADD}' "$dictionary"
        at=$((at + one))
        : >"$dictionary"
        ;;
    esac
  done <"$new/program"
}}
assemble() {{
  while read -r op one two <&3; do
    case $op in
      c) piece "$base" "$one" "$two" ;;
      t) dd iflag=fullblock,count_bytes count="$one" bs=64K 2>/dev/null ;;
    esac
  done 3<"$new/program"
}}
"""
