#!/bin/sh
# After the files are gone. Keys and store stay, also after a purge: without the CA in
# /var/lib/drawbridge every registry has to be set up anew.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
case $1 in
purge | 0)
	if [ -d /var/lib/drawbridge ]; then
		echo "The keys and the store of Drawbridge stay in /var/lib/drawbridge."
	fi
	;;
esac
