#!/bin/sh
# debian-mirror.sh: prints a mirror of Debian: $DEBIAN_MIRROR, else that of the system's own apt sources.
#
# Exit status 1, with words on stderr, if there is none, or no keys to check its packages with.
set -eu

if ! command -v apt-get > /dev/null; then
  echo 'there is no apt-get: run this on Debian or Ubuntu (a container will do)' >&2
  exit 1
fi
if ! [ -r /usr/share/keyrings/debian-archive-keyring.gpg ]; then
  echo 'the keys that Debian signs its packages with are not there. As root:' >&2
  echo '  apt-get install debian-archive-keyring' >&2
  exit 1
fi

# shellcheck disable=SC2016 # apt fills these in
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(ORIGIN) $(SUITE) $(REPO_URI)' 'Created-By: Packages' |
  awk '$1 == "Debian" && $NF !~ /security/ { print $NF; exit }')}
# Lists that were never fetched have no origin.
# shellcheck disable=SC2016
[ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
  grep '/debian/\?$' | head -1)
if [ -z "$mirror" ]; then
  echo "the system's apt sources name no mirror of Debian. Name one:" >&2
  echo '  export DEBIAN_MIRROR=http://MIRROR/debian' >&2
  exit 1
fi
echo "$mirror"
