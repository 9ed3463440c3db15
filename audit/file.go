package audit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// fileLinger is how long the first line of a batch waits for others.
const fileLinger = 10 * time.Millisecond

// openFile opens the file to append to, or takes stdout for it.
func openFile(file string, stdout io.Writer) (io.Writer, io.Closer, error) {
	if file == "" || file == "-" {
		return stdout, io.NopCloser(nil), nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, nil, fmt.Errorf("open the audit file: %w", err)
	}
	return f, f, nil
}

// lines writes events as JSON lines.
type lines struct {
	out io.Writer
	buf bytes.Buffer
	// torn says that the last line has no end: the disk was full.
	torn bool
}

func (l *lines) write(_ context.Context, batch []Event) (int, error) {
	l.buf.Reset()
	if l.torn {
		l.buf.WriteByte('\n')
	}
	start := l.buf.Len()
	for i := range batch {
		l.buf.Write(append(batch[i].AppendJSON(l.buf.AvailableBuffer()), '\n'))
	}
	n, err := l.out.Write(l.buf.Bytes())
	if n > 0 {
		l.torn = l.buf.Bytes()[n-1] != '\n'
	}
	if n <= start {
		return 0, err
	}
	return bytes.Count(l.buf.Bytes()[start:n], []byte{'\n'}), err
}
