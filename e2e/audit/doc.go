// Package audit runs real servers on SQLite and on PostgreSQL and asks for
// their audit events by command, also while the store is away or a disk is full.
package audit
