package exec

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"

	"drawbridge/identity"
)

// Bounds of what a program may put into the log.
const (
	maxStderrLine = 64 << 10 // a longer line is not shown at all, not even cut
	maxLogged     = 512      // what of a line is logged
	maxLines      = 16       // lines for each request
)

// stderrLog copies a program's standard error to the log. It reads all of it, so
// that a program never blocks on it, and logs a bounded part.
type stderrLog struct {
	log *slog.Logger

	mu      sync.Mutex
	left    int
	secrets []redactor // of this request and the one before, whose lines may come late
}

// begin says which credential the next lines may hold, and allows further lines.
func (s *stderrLog) begin(cred identity.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = maxLines
	s.secrets = append(s.secrets, newRedactor(cred))
	if len(s.secrets) > 2 {
		s.secrets = s.secrets[1:]
	}
}

// copy reads until the end. A line is redacted whole and clipped after: the other
// way round a password across the cut would show its first half. For the same
// reason nothing is shown of a line that is too long to be held.
func (s *stderrLog) copy(from io.Reader) {
	lines := bufio.NewReaderSize(from, maxStderrLine)
	for {
		line, err := lines.ReadSlice('\n')
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if len(line) > 0 {
			s.line(string(line), tooLong)
		}
		if err != nil {
			return
		}
	}
}

func (s *stderrLog) line(text string, tooLong bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left--; s.left < 0 {
		if s.left == -1 {
			s.log.Warn("the program writes more to its standard error than is logged")
		}
		return
	}
	if tooLong {
		s.log.Warn("the program writes a line to its standard error that is too long to be logged", "over", maxStderrLine)
		return
	}
	for _, secret := range s.secrets {
		text = secret.redact(text)
	}
	if text = clip(strings.TrimRight(text, "\r\n"), maxLogged); text != "" {
		s.log.Warn("the program says on its standard error", "line", text)
	}
}
