package console

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// image writes the smallest image, without a layer, as an OCI layout (image-spec,
// image-layout.md) and returns its folder.
func image(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type object = map[string]any
	blob := func(mediaType string, value object) object {
		content, _ := json.Marshal(value) // maps of strings cannot fail
		sum := sha256.Sum256(content)
		digest := hex.EncodeToString(sum[:])
		write("blobs/sha256/"+digest, content)
		return object{"mediaType": mediaType, "digest": "sha256:" + digest, "size": len(content)}
	}
	config := blob("application/vnd.oci.image.config.v1+json", object{
		"architecture": "amd64", "os": "linux", "config": object{}, "rootfs": object{"type": "layers", "diff_ids": []string{}},
	})
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest := blob(manifestType, object{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": []object{}})
	manifest["annotations"] = object{"org.opencontainers.image.ref.name": "latest"}
	index, _ := json.Marshal(object{"schemaVersion": 2, "manifests": []object{manifest}})
	write("index.json", index)
	write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return dir
}
