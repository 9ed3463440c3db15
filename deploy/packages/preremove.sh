#!/bin/sh
# Before the files go. dpkg says "remove" or "upgrade", rpm how many versions stay.
set -e

case $1 in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now drawbridge.service drawbridge.socket
fi
