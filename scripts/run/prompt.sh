# Read by an interactive shell of `ap-sysfs shell`: the user's own settings, and where he is.
# shellcheck shell=sh source=/dev/null
if [ -n "${BASH_VERSION-}" ]; then
  [ -r /etc/bash.bashrc ] && . /etc/bash.bashrc
  [ -r "$HOME/.bashrc" ] && . "$HOME/.bashrc"
elif [ -n "${AP_SYSFS_ENV-}" ]; then
  ENV=$AP_SYSFS_ENV
  [ -r "$ENV" ] && . "$ENV"
fi
PS1="(ap-sysfs) ${PS1-\$ }"
