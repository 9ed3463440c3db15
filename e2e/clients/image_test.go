package clients

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
)

// layout is an image in a folder, in the form of the OCI image layout.
type layout struct {
	dir   string
	layer string // the digest of its one layer
}

type object = map[string]any

// newLayout writes an image whose layer holds the content.
func newLayout(t *testing.T, content string) layout {
	t.Helper()
	l := layout{dir: t.TempDir()}
	var layer bytes.Buffer
	sum := sha256.New()
	z := gzip.NewWriter(&layer) // skopeo would compress it on the way otherwise
	w := tar.NewWriter(io.MultiWriter(z, sum))
	if err := w.WriteHeader(&tar.Header{Name: "content", Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte(content)) // to memory
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	layerDesc := l.blob(t, "application/vnd.oci.image.layer.v1.tar+gzip", layer.Bytes())
	l.layer = layerDesc["digest"].(string)
	config := l.blob(t, "application/vnd.oci.image.config.v1+json", marshal(t, object{
		"architecture": "amd64", "os": "linux", "config": object{},
		"rootfs": object{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sum.Sum(nil))}},
	}))
	manifest := l.blob(t, "application/vnd.oci.image.manifest.v1+json", marshal(t, object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": config, "layers": []object{layerDesc},
	}))
	manifest["annotations"] = object{"org.opencontainers.image.ref.name": "v1"}
	writeFile(t, filepath.Join(l.dir, "index.json"), marshal(t, object{"schemaVersion": 2, "manifests": []object{manifest}}))
	writeFile(t, filepath.Join(l.dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return l
}

// blob writes content under its digest and returns its descriptor.
func (l layout) blob(t *testing.T, mediaType string, content []byte) object {
	t.Helper()
	sum := sha256.Sum256(content)
	name := hex.EncodeToString(sum[:])
	writeFile(t, filepath.Join(l.dir, "blobs", "sha256", name), content)
	return object{"mediaType": mediaType, "digest": "sha256:" + name, "size": len(content)}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
