#!/bin/sh
# Writes the AP part of sysfs to one file: cards, queues, drivers, mediated
# devices, zcrypt nodes, modules, with every content that can be read.
#
#   sh ap-sysfs-record.sh [-r ROOT] [-o FILE] [-t SECONDS]
#
#   -r ROOT     record this tree instead of /sys
#   -o FILE     write there instead of to stdout
#   -t SECONDS  how long one file may take to read (default 5)
#
# Runs as it is on any Linux with a POSIX shell (dash, busybox and bash were
# tried) and the usual find, ls, sort, od, awk, cat. Nothing is written but to
# FILE and a temporary directory. As root it sees everything. Reading some files
# (serialnr, mkvps, op_modes, ..) asks the crypto cards, as lszcrypt does; such
# requests are counted. What identifies a machine: serial numbers and
# verification patterns of master keys (no keys); `ap-sysfs import --anonymize`
# replaces them. Of the kernel command line only words of ap, zcrypt and vfio are
# kept, of /proc/sysinfo the manufacturer, the type and the hypervisor.
#
# The file:
#   ap-sysfs-record 1                       format and its version
#   release: 6.12.0                         and other facts, KEY: VALUE
#   KIND MODE UID:GID SIZE PATH             dir, file, link; char and block have
#                                           MAJOR:MINOR instead of a size
#   >TARGET                                 of a link
#   |LINE                                   of a file's content; a line that ends
#                                           in a single \ has no newline
#   !EIO                                    reading failed, or ended, with that;
#                                           !timeout: it took too long
#   end N                                   so many entries
# Sorted by path, byte by byte. Bytes that are no printable ASCII are \xHH, a
# backslash is \\. Files that nobody may read are not opened. Names with control
# characters are left out.

set -u
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/sbin:/sbin

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; }
die() {
  echo "ap-sysfs-record: $1" >&2
  exit "${2:-1}"
}

root=/sys
output=
limit=5
while getopts r:o:t:h option; do
  case $option in
  r) root=$OPTARG ;;
  o) output=$OPTARG ;;
  t) limit=$OPTARG ;;
  h)
    usage
    exit 0
    ;;
  *)
    usage >&2
    exit 2
    ;;
  esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || die "$1: unexpected" 2
case $limit in '' | *[!0-9]* | 0) die "-t $limit: not a number of seconds" 2 ;; esac

case $output in '' | /*) ;; *) output=$PWD/$output ;; esac
cd "$root" 2>/dev/null || die "$root: no such directory, or not for you"
if [ ! -d bus ] || [ ! -d devices ]; then die "$root is no sysfs"; fi
[ -d bus/ap ] || echo "ap-sysfs-record: there is no AP bus here" >&2

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ap-sysfs-record.XXXXXX") || die "no temporary directory"
watcher=
clean() {
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
  rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A mount of ap-sysfs tells of its kernel and its device nodes in files.
control=
[ -r kernel/debug/ap_sim/about ] && control=kernel/debug/ap_sim

# --- facts ---------------------------------------------------------------------

only_ours() { tr ' ' '\n' | grep -E '^(ap|zcrypt|zcrypt_cex4|vfio|vfio_ap)\.' | tr '\n' ' ' | sed 's/ $//'; }

facts() {
  echo 'ap-sysfs-record 1'
  if [ -n "$control" ]; then
    sed -n 's/^kernel /release: /p' "$control/about"
    echo 'arch: s390x'
    words=$(sed -n 's/^command-line //p' "$control/about" | only_ours)
  else
    echo "release: $(uname -r)"
    echo "arch: $(uname -m)"
    words=$(only_ours </proc/cmdline)
    [ -r /proc/sysinfo ] && sed -n -E '/^(Manufacturer|Type|VM00 Control Program):/s/^([^:]*): */sysinfo: \1: /p' /proc/sysinfo
  fi
  [ -z "$words" ] || echo "cmdline: $words"
}

# --- what there is -------------------------------------------------------------

roots() {
  for path in bus/ap bus/matrix bus/mdev class/mdev_bus class/vfio class/vfio-dev class/zcrypt \
    class/misc/hw_random class/misc/kvm class/misc/vfio class/misc/z90crypt dev/char devices/ap devices/vfio_ap \
    devices/virtual/misc/hw_random devices/virtual/misc/kvm devices/virtual/misc/vfio \
    devices/virtual/misc/z90crypt devices/virtual/vfio devices/virtual/zcrypt firmware/uv kernel/iommu_groups \
    module/ap module/kvm module/mdev module/vfio* module/zcrypt*; do
    [ -e "$path" ] || [ -h "$path" ] && echo "$path"
  done
}

# Sections and notes of modules tell addresses of the kernel.
listing() {
  for path in $(roots); do
    find "./$path" \( -name '*[[:cntrl:]]*' -o -path './module/*/sections' -o -path './module/*/notes' \) -prune \
      -o -exec ls -dln {} + 2>/dev/null
  done
}

dev_nodes() {
  if [ -n "$control" ]; then
    awk '{ print $1, $2, $3, "/dev/" substr($0, index($0, $4)) }' "$control/dev" |
      sed 's/^c 0*\([0-7]*\) \([0-9:]*\) /char 0\1 0:0 \2 /'
    return
  fi
  for path in /dev/z90crypt /dev/hwrng /dev/kvm /dev/vfio/* $(ls class/zcrypt 2>/dev/null); do
    case $path in create | destroy) continue ;; /*) ;; *) path=/dev/$(echo "$path" | tr '!' '/') ;; esac
    [ -c "$path" ] && ls -dln "$path"
  done | awk -f "$tmp/lib.awk" -f "$tmp/dev.awk"
}

cat >"$tmp/lib.awk" <<'AWK'
function escaped(text,    out, i, c) {
  if (text !~ /[^ -~]|\\/) return text
  if (!ready) { for (i = 1; i < 256; i++) code[sprintf("%c", i)] = i; ready = 1 }
  out = ""
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (c == "\\") out = out "\\\\"
    else if (c ~ /[ -~]/) out = out c
    else out = out sprintf("\\x%02x", code[c])
  }
  return out
}
function octal(mode,    i, value, special) {
  value = 0
  special = 0
  for (i = 2; i <= 10; i++) {
    value = value * 2 + (substr(mode, i, 1) ~ /[rwxst]/)
    if (substr(mode, i, 1) ~ /[sStT]/) special += i == 4 ? 4 : i == 7 ? 2 : 1
  }
  return sprintf("%d%d%d%d", special, int(value / 64), int(value / 8) % 8, value % 8)
}
AWK
cat >"$tmp/dev.awk" <<'AWK'
{
  sub(/,$/, "", $5)
  print "char", octal($1), $3 ":" $4, $5 ":" $6, escaped(substr($0, index($0, "/dev/")))
}
AWK
# Path, tab, the rest of the first line of its entry, tab, target.
cat >"$tmp/list.awk" <<'AWK'
{
  type = substr($1, 1, 1)
  kind = type == "d" ? "dir" : type == "l" ? "link" : type == "-" ? "file" : ""
  if (kind == "") next
  path = substr($0, index($0, " ./") + 3)
  target = ""
  if (type == "l") {
    at = index(path, " -> ")
    target = substr(path, at + 4)
    path = substr(path, 1, at - 1)
    # Of all device numbers only ours.
    if (path ~ /^dev\/char\// && target !~ /\/virtual\/(zcrypt\/.*|vfio\/.*|misc\/(hw_random|kvm|vfio|z90crypt))$/) next
  }
  if (path == "dev/char") next
  print path "\t" kind " " octal($1) " " $3 ":" $4 " " $5 "\t" target
}
AWK

# --- contents ------------------------------------------------------------------

errno_of() {
  case $1 in
  *'Permission denied'*) errno=EACCES ;;
  *'Input/output error'* | *'I/O error'*) errno=EIO ;;
  *'No such device or address'*) errno=ENXIO ;;
  *'No such device'*) errno=ENODEV ;;
  *'Invalid argument'*) errno=EINVAL ;;
  *'No such file'*) errno=ENOENT ;;
  *'not permitted'*) errno=EPERM ;;
  *'temporarily unavailable'*) errno=EAGAIN ;;
  *'ot supported'*) errno=EOPNOTSUPP ;;
  *'busy'*) errno=EBUSY ;;
  *'nterrupted system call'*) errno=EINTR ;;
  *'timed out'*) errno=ETIMEDOUT ;;
  *'No data available'*) errno=ENODATA ;;
  *'memory'*) errno=ENOMEM ;;
  *) errno=error ;;
  esac
}

# A reader may hang where no signal reaches it: somebody else looks at the clock,
# and the reader is left behind, with its own output.
watch() {
  seen=
  age=0
  while sleep 1 && kill -0 $$ 2>/dev/null; do
    now=
    read -r now <"$tmp/now"
    if [ "$now" = "$seen" ]; then age=$((age + 1)); else age=0; fi
    seen=$now
    [ "$age" -lt "$limit" ] && continue
    echo "$now" >"$tmp/late"
    kill -USR1 $$ 2>/dev/null
  done
}

late=
trap 'read -r late <"$tmp/late"' USR1

# Reads one file to descriptor 3 and says how it ended behind it.
read_file() {
  echo "$entry" >"$tmp/now"
  cat "./$1" >&3 2>"$tmp/err" &
  reader=$!
  errno=
  while :; do
    wait "$reader" 2>/dev/null
    status=$?
    if [ "$status" -gt 128 ]; then
      [ "$late" = "$entry" ] || continue
      errno=timeout
      kill -9 "$reader" 2>/dev/null
      break
    fi
    if [ "$status" -ne 0 ]; then
      words=
      read -r words <"$tmp/err"
      errno_of "$words"
    fi
    break
  done
  printf '\n\001%s %s %s\n' "$mark" "$entry" "$errno" >&3
  if [ "$errno" = timeout ]; then
    segment=$((segment + 1))
    exec 3>"$tmp/data.$segment"
  fi
}

read_files() {
  tab=$(printf '\t')
  while IFS=$tab read -r path head _; do
    entry=$((entry + 1))
    case $head in
    # The mode: somebody may read it.
    file\ ?[4567]??\ * | file\ ??[4567]?\ * | file\ ???[4567]\ *) read_file "$path" ;;
    esac
  done <"$tmp/list"
}

# --- all of it, one text -------------------------------------------------------

# Entries from the file `list`, contents from the bytes of the readers.
cat >"$tmp/join.awk" <<'AWK'
function entry_line(    fields) {
  if ((getline line < list) <= 0) return 0
  split(line, fields, "\t")
  count++
  print fields[2] " " escaped("/sys/" fields[1])
  if (fields[2] ~ /^link/) print ">" escaped(fields[3])
  return 1
}
function finish(    words, i) {
  split(text, words, " ")
  while (count < words[2] + 0) if (!entry_line()) break
  for (i = 1; i < lines; i++) print "|" content[i]
  if (content[lines] != "") print "|" content[lines] "\\"
  if (words[3] != "") print "!" words[3]
}
BEGIN {
  for (i = 0; i < 256; i++) {
    hex = sprintf("%02x", i)
    shown[hex] = i == 92 ? "\\\\" : i >= 32 && i < 127 ? sprintf("%c", i) : "\\x" hex
  }
  start = "\\x01" mark " "
}
/^==/ { text = ""; lines = 0; next }
{
  for (i = 1; i <= NF; i++) {
    if ($i != "0a") { text = text shown[$i]; continue }
    if (substr(text, 1, length(start)) == start) { finish(); lines = 0 }
    else content[++lines] = text
    text = ""
  }
}
END {
  while (entry_line()) continue
  while ((getline line < dev) > 0) { count++; print line }
  print "end " count
}
AWK

whole() {
  facts
  i=0
  while [ "$i" -le "$segment" ]; do
    od -An -v -tx1 "$tmp/data.$i"
    echo '=='
    i=$((i + 1))
  done | awk -v list="$tmp/list" -v dev="$tmp/dev" -v mark="$mark" -f "$tmp/lib.awk" -f "$tmp/join.awk"
}

mark=ap-sysfs-record-$$
segment=0
entry=0
listing | awk -f "$tmp/lib.awk" -f "$tmp/list.awk" | sort -t "$(printf '\t')" -k1,1 >"$tmp/list"
dev_nodes | sort -k5 >"$tmp/dev"
exec 3>"$tmp/data.0"
: >"$tmp/now"
watch &
watcher=$!
read_files
exec 3>&-
kill "$watcher" 2>/dev/null
watcher=
if [ -n "$output" ]; then
  whole >"$tmp/record"
  cat "$tmp/record" >"$output" || die "$output cannot be written"
else
  whole
fi
