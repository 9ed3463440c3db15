// Package faults breaks what Drawbridge leans on, while people log in: a real
// slapd and a real Redis are killed, restarted, paused and cut off behind a proxy,
// under the real server program.
//
// Whatever happens, a right password is answered 200 or 503 and never 401, a wrong
// one 401 or 503 and never 200, a token says the name of who asked for it, the
// answer comes in a bounded time, nothing leaks, and what comes back is used again
// without a restart.
package faults
