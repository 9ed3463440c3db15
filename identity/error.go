package identity

import (
	"errors"
	"time"
)

// ErrorKind classifies an [Error]. One place (package server/registry for the
// token endpoint) maps kinds to HTTP status and error codes.
type ErrorKind uint8

// The kinds. The zero value is Internal, so that an error nobody classified
// tells the client nothing.
const (
	Internal        ErrorKind = iota // our fault; the client reads a generic sentence
	Invalid                          // malformed request
	TooLarge                         // over a documented limit
	Unauthenticated                  // the credentials do not hold
	Forbidden                        // known, and refused by policy
	Unavailable                      // a backend cannot answer now; retry later
	RateLimited                      // too many attempts; retry later
	Unsupported                      // well-formed, but nothing we do
	NotFound                         // what is asked for is not there
	Conflict                         // it contradicts what is there now
	Stale                            // it was changed since the caller has seen it
)

// Error separates what the client may read from what the log says.
type Error struct {
	Kind ErrorKind
	// Message is one whole sentence for the client. It never holds a secret,
	// a hostname of ours or a backend's diagnostic.
	Message string
	// Detail is an optional second line for the client, under the same rules.
	Detail string
	// RetryAfter is for Unavailable and RateLimited; zero means unknown.
	RetryAfter time.Duration
	// Err is the cause, for the log only.
	Err error
}

// Error returns the message and the cause, for the log.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns err as an [Error]; anything else becomes an Internal one whose
// cause is err.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Message: "The server could not answer; its log has the reason.", Err: err}
}
