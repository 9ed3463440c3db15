// Package replicas runs several servers that share Redis, PostgreSQL and one
// signing CA, behind a load balancer, and takes away one part after the other
// while people log in: a replica, a master of Redis, all of Redis, PostgreSQL.
package replicas
