package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// The layer of TestLargeLayer, and what nginx may hold of it: a few buffers.
const (
	gibibyte  = 1 << 30
	mostOfIt  = 64 << 20
	lookEvery = 64 << 20
)

// zeros is a file of a size with nothing in it. look is called now and then while
// it is read.
type zeros struct {
	left, read int64
	look       func()
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	if (z.read+n)/lookEvery != z.read/lookEvery {
		z.look()
	}
	z.left -= n
	z.read += n
	return int(n), nil
}

// A layer of one GiB goes through nginx in both directions as it comes: nginx
// writes none of it to its disk, and does not grow.
func TestLargeLayer(t *testing.T) {
	s := serve(t)
	r := registry(t, s, testbed.Registry311)
	g := nginx(t, s, r.Addr)
	c := through(t, s, g, tokenFor(t, s, alice, alicePW))
	looked := 0
	look := func() {
		looked++
		if files := g.TempFiles(t); len(files) > 0 {
			t.Errorf("nginx keeps the layer in %v", files)
		}
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, &zeros{left: gibibyte, look: func() {}}); err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + hex.EncodeToString(sum.Sum(nil))

	start := time.Now()
	upload := c.do(http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil).want(t, "POST", http.StatusAccepted).header.Get("Location")
	// As docker does: one PATCH whose length it does not tell.
	upload = c.do(http.MethodPatch, upload, &zeros{left: gibibyte, look: look}).want(t, "PATCH", http.StatusAccepted).header.Get("Location")
	c.do(http.MethodPut, upload+"&digest="+digest, nil).want(t, "PUT", http.StatusCreated)
	t.Logf("pushed in %v", time.Since(start).Round(time.Millisecond))

	start = time.Now()
	if n := download(t, c, "/v2/"+repository+"/blobs/"+digest, look); n != gibibyte {
		t.Errorf("%d bytes came back, want %d", n, gibibyte)
	}
	t.Logf("pulled in %v", time.Since(start).Round(time.Millisecond))

	if looked < 2*gibibyte/lookEvery-2 {
		t.Errorf("nginx's folder was looked at %d times only", looked)
	}
	peak := g.PeakMemory(t)
	t.Logf("nginx at its largest: %.1f MB", float64(peak)/1e6)
	if peak > mostOfIt {
		t.Errorf("nginx grew to %d bytes, want %d at most", peak, mostOfIt)
	}
}

// download reads a blob to its end, slowly at first: a gateway that buffers would
// fill its disk meanwhile.
func download(t *testing.T, c caller, path string, look func()) int64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	var n int64
	for {
		got, err := io.CopyN(io.Discard, resp.Body, lookEvery)
		n += got
		look()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
