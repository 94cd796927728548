#!/bin/sh
# prepare.sh: run as root in the image, once its packages are there: a user, a place for the mount, the command.
set -eu
useradd --create-home --shell /bin/bash --uid 1000 ap
install -d -o ap -g ap /mnt/sys
# `docker exec -u root` shall see what ap has mounted.
echo user_allow_other >> /etc/fuse.conf
ln -s /opt/ap-sysfs/dist/scripts/ap-sysfs.js /usr/local/bin/ap-sysfs
