#!/bin/sh
# After the files are in place. dpkg calls it with "configure" and the version that was
# there before, rpm with how many versions there are now.
set -e

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers drawbridge.conf
elif ! getent passwd drawbridge >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/drawbridge \
		--shell /usr/sbin/nologin --comment Drawbridge drawbridge
fi

# They may hold secrets, and the server has to read them.
for file in /etc/drawbridge/drawbridge.yaml /etc/drawbridge/htpasswd; do
	if [ -f "$file" ] && [ "$(stat -c %G "$file")" = root ]; then
		chgrp drawbridge "$file"
	fi
done

case $1 in
configure) upgrade=$2 ;;
1) upgrade= ;;
*) upgrade=yes ;;
esac

if [ -z "$upgrade" ]; then
	echo "Drawbridge is installed and does not run yet. Edit /etc/drawbridge/drawbridge.yaml, and then:"
	echo "  systemctl enable --now drawbridge"
fi

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
if [ -n "$upgrade" ] && systemctl --quiet is-active drawbridge.service; then
	# A server that runs is worth more than one that is new and does not start.
	if faults=$(drawbridge config check --config /etc/drawbridge/drawbridge.yaml 2>&1); then
		systemctl try-restart drawbridge.service
	else
		echo "Drawbridge goes on running as it was before the upgrade: the new version does not accept"
		echo "/etc/drawbridge/drawbridge.yaml. Correct it, and then: systemctl restart drawbridge"
		echo "$faults"
	fi
fi
