# shellcheck shell=sh
# second-boot.sh: sourced by suite.sh after a reboot that nobody announced.

holds "the disk has outlived the reboot" '[ -d /var/lib/longshore ]'
