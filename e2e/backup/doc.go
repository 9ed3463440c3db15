// Package backup backs up servers that are being written to, restores them elsewhere,
// and asks the new server and a real registry whether everything is honoured that was.
package backup
