#!/bin/sh
# Makes what the stack needs and a repository must not hold: certificates, keys
# and passwords. It runs once, before everything else, and again without effect:
# a file that is there stays. Each service gets a volume of its own with what is
# its own, readable by its account alone; /trust holds what everybody may read.
#
#   /trust        ca.crt          checks every TLS connection of the stack
#                 signing-ca.crt  checks Drawbridge's tokens; the registry mounts it
#   /drawbridge   tls.crt tls.key signing-ca.key ldap-password redis-url
#   /openldap     tls.crt tls.key service-password
#   /redis        tls.crt tls.key redis.conf password
#   /registry     tls.crt tls.key
#   /gateway      tls.crt tls.key
#   /registry-data                the registry's storage: only its owner is set
#
# The TLS certificates are good for 825 days, the two CAs for ten years. To make
# everything anew: docker compose down -v.
set -eu
umask 077

drawbridge=65532 openldap=10389 redis=999 registry=10500 gateway=101
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# make_ca FILE NAME: a self-signed CA, FILE.crt and FILE.key.
make_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
		-days 3650 -subj "/CN=$2" -keyout "$1.key" -out "$1.crt" \
		-addext basicConstraints=critical,CA:TRUE,pathlen:0 \
		-addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# make_tls FOLDER ALTNAMES: a server certificate of the TLS CA.
make_tls() {
	[ -s "$1/tls.crt" ] && return
	printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=%s\n' "$2" >"$work/ext"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
		-subj "/CN=drawbridge demonstration" -keyout "$1/tls.key" -out "$work/csr" 2>/dev/null
	openssl x509 -req -in "$work/csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" \
		-set_serial "0x$(openssl rand -hex 16)" -days 825 -sha256 \
		-extfile "$work/ext" -out "$work/crt" 2>/dev/null
	mv "$work/crt" "$1/tls.crt"
}

# new_secret: 48 hexadecimal digits, without a line break.
new_secret() { openssl rand -hex 24 | tr -d '\n'; }

make_trust() {
	[ -s /trust/signing-ca.crt ] && return
	# The TLS CA signs the certificates of this run; its key is then dropped, so
	# nobody can ever make another.
	make_ca "$work/ca" "Drawbridge demonstration TLS CA"
	make_ca "$work/signing-ca" "Drawbridge demonstration token CA"
	make_tls /drawbridge DNS:localhost,DNS:drawbridge,IP:127.0.0.1
	make_tls /registry DNS:localhost,DNS:registry,IP:127.0.0.1
	make_tls /gateway DNS:localhost,DNS:gateway,IP:127.0.0.1
	make_tls /openldap DNS:openldap
	make_tls /redis DNS:redis
	mv "$work/signing-ca.key" /drawbridge/signing-ca.key
	cp "$work/ca.crt" /trust/ca.crt
	# Last: its presence means that the rest is complete.
	cp "$work/signing-ca.crt" /trust/signing-ca.crt
}

make_passwords() {
	[ -s /drawbridge/redis-url ] && return
	new_secret >/openldap/service-password
	cp /openldap/service-password /drawbridge/ldap-password
	new_secret >/redis/password
	cat >/redis/redis.conf <<-CONF
		port 0
		tls-port 6379
		tls-cert-file /run/secrets/tls.crt
		tls-key-file /run/secrets/tls.key
		tls-ca-cert-file /trust/ca.crt
		tls-auth-clients no
		requirepass $(cat /redis/password)
		save ""
		appendonly no
		maxmemory 128mb
		maxmemory-policy allkeys-lru
	CONF
	printf 'rediss://:%s@redis:6379/0' "$(cat /redis/password)" >/drawbridge/redis-url
}

# own FOLDER ACCOUNT: the folder and its files are that account's, and nobody else's.
own() {
	chmod 500 "$1"
	find "$1" -type f -exec chmod 400 {} +
	chown -R "$2:$2" "$1"
}

# A run that was cut short left part of a set; its parts do not fit another's.
[ -s /trust/signing-ca.crt ] || rm -f /drawbridge/* /openldap/* /redis/* /registry/* /gateway/*
make_trust
make_passwords
chmod 755 /trust
chmod 444 /trust/*
own /drawbridge "$drawbridge"
own /openldap "$openldap"
own /redis "$redis"
own /registry "$registry"
own /gateway "$gateway"
chown "$registry:$registry" /registry-data
chmod 700 /registry-data
