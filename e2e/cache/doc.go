// Package cache tests drawbridge/cache on real Redis servers: one server, with a
// password and with TLS, a master behind Sentinel, and a Cluster of three
// masters; each as it should be, killed, restarted empty and paused.
package cache
