# Read by a zsh of `ap-sysfs shell`: the user's own settings, and where he is.
ZDOTDIR=$AP_SYSFS_ZDOTDIR
[[ -r $ZDOTDIR/.zshrc ]] && source $ZDOTDIR/.zshrc
PROMPT="(ap-sysfs) $PROMPT"
