package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user owns /data and runs the program; no account has it.
const user = 65532

// newImage makes the image of one platform. Its times are zero: they would make two
// builds of one source differ.
func newImage(platform v1.Platform, program string, bundle []byte, version string) (v1.Image, error) {
	layer, err := newLayer(program, bundle)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{Layer: layer, MediaType: types.OCILayer})
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = platform.OS, platform.Architecture, platform.Variant
	file.Config = config(version)
	return mutate.ConfigFile(image, file)
}

// config is what the Dockerfile says after its last FROM.
func config(version string) v1.Config {
	return v1.Config{
		Entrypoint:   []string{"/drawbridge"},
		Cmd:          []string{"serve"},
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DRAWBRIDGE_DATA_DIR=/data"},
		User:         "65532:65532",
		ExposedPorts: map[string]struct{}{"5001/tcp": {}},
		Volumes:      map[string]struct{}{"/data": {}},
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/drawbridge", "health"},
			Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: 20 * time.Second, Retries: 3,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":   "drawbridge",
			"org.opencontainers.image.version": version,
		},
	}
}

// newLayer holds the program, the certificate authorities, and the folder that a
// volume takes over.
func newLayer(program string, bundle []byte) (v1.Layer, error) {
	binary, err := os.ReadFile(program) // #nosec G304 -- the release script names it
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err = errors.Join(
		folder(w, "etc/", 0), folder(w, "etc/ssl/", 0), folder(w, "etc/ssl/certs/", 0),
		regular(w, "etc/ssl/certs/ca-certificates.crt", 0o644, bundle),
		regular(w, "drawbridge", 0o755, binary),
		folder(w, "data/", user),
		w.Close(),
	)
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buf.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

func folder(w *tar.Writer, name string, owner int) error {
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, Uid: owner, Gid: owner, ModTime: time.Unix(0, 0)})
}

func regular(w *tar.Writer, name string, mode int64, content []byte) error {
	head := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: time.Unix(0, 0)}
	if err := w.WriteHeader(head); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}
