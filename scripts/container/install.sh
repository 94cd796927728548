#!/bin/sh
# install.sh DEST [--built]: packs the clone as npm would publish it, and installs the package into DEST with the
# production dependencies of package-lock.json. Compiles first, unless --built says that dist/ is up to date.
set -eu
dest=$1
cd "$(dirname "$0")/../.."

if [ "${2-}" != --built ]; then
  [ -d node_modules ] || npm ci --no-audit --no-fund --loglevel=error
  # tsc knows the tests; an image is built without them.
  mkdir -p test
  npm run --silent build
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack --silent --ignore-scripts --pack-destination "$work" > /dev/null
rm -rf "$dest"
mkdir -p "$dest"
tar -xzf "$work"/*.tgz -C "$dest" --strip-components=1 --no-same-owner
cp package-lock.json .npmrc "$dest"
cd "$dest"
npm ci --omit=dev --prefer-offline --no-audit --no-fund --silent || {
  echo "install.sh: npm ci failed in $dest; its log is in ~/.npm/_logs" >&2
  exit 1
}
chmod 755 dist/scripts/ap-sysfs.js
