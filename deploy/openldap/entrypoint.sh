#!/bin/sh
# Fills an empty directory from seed.ldif, sets the service account's password to
# what its secret holds, and becomes slapd. Safe to run again at every start: a
# directory that was seeded keeps its people, and their changes.
#
#   /run/secrets/tls.crt, tls.key     the server certificate and its key
#   /run/secrets/service-password     of cn=drawbridge, without a line break
#   /var/lib/ldap                     the database, a volume
#   /run/slapd                        socket and pid file, a tmpfs
set -eu
umask 077

conf=/etc/openldap/slapd.conf
socket=ldapi://%2Frun%2Fslapd%2Fldapi
service=cn=drawbridge,ou=services,dc=corp,dc=example
seeded=/var/lib/ldap/.seeded

# wait_ready waits for the slapd of process $1 to answer on the local socket.
wait_ready() {
	tries=0
	until ldapwhoami -Q -Y EXTERNAL -H "$socket" >/dev/null 2>&1; do
		kill -0 "$1" 2>/dev/null || { echo "slapd did not start" >&2; exit 1; }
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || { echo "slapd does not answer" >&2; exit 1; }
		sleep 0.1
	done
}

# seed adds the entries. They go through slapd, not slapadd, which would leave
# memberOf empty.
seed() {
	ldapadd -Q -Y EXTERNAL -H "$socket" -f /etc/openldap/seed.ldif >/dev/null
	touch "$seeded"
}

# set_service_password stores a hash; the password itself is in no argument list.
set_service_password() {
	hash=$(slappasswd -h '{SSHA}' -T /run/secrets/service-password)
	ldapmodify -Q -Y EXTERNAL -H "$socket" >/dev/null <<-LDIF
		dn: $service
		changetype: modify
		replace: userPassword
		userPassword: $hash
	LDIF
}

# Half a seed is worse than none: start over.
[ -e "$seeded" ] || rm -f /var/lib/ldap/*.mdb

# Not reachable from outside before it is complete: the local socket only.
slapd -f "$conf" -h "$socket" -d none &
pid=$!
wait_ready "$pid"
[ -e "$seeded" ] || seed
set_service_password
kill -TERM "$pid"
wait "$pid" || true

exec slapd -f "$conf" -h "ldaps://:1636/ $socket" -d "${SLAPD_DEBUG:-none}"
