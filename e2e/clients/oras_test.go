package clients

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"

	"drawbridge/e2e/testbed"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// An artifact goes up and comes back through oras-go, with the token of a GET and
// with that of an OAuth2 form.
func TestOras(t *testing.T) {
	t.Parallel()
	directory := testbed.StartSlapd(t)
	s := serve(t, registries, corp(directory))
	r := registryFor(t, s, testbed.Registry311, explaining, true)
	for name, form := range map[string]bool{"GET": false, "POST": true} {
		t.Run(name, func(t *testing.T) {
			artifact := []byte("an artifact, sent by " + name)
			store, desc := packed(t, artifact)
			repository := func(path, password string) *remote.Repository {
				repo, err := remote.NewRepository(host(r) + "/" + path)
				if err != nil {
					t.Fatal(err)
				}
				repo.Client = &auth.Client{
					Client: s.Client(), ForceAttemptOAuth2: form,
					Credential: auth.StaticCredential(host(r), auth.Credential{Username: "alice", Password: password}),
				}
				return repo
			}
			repo := repository("payments/artifact", testbed.SeedPassword("alice"))
			if _, err := oras.Copy(t.Context(), store, tag, repo, tag, oras.DefaultCopyOptions); err != nil {
				t.Fatalf("push: %v", err)
			}
			back := memory.New()
			got, err := oras.Copy(t.Context(), repository("payments/artifact", testbed.SeedPassword("alice")), tag, back, tag, oras.DefaultCopyOptions)
			if err != nil || got.Digest != desc.Digest {
				t.Fatalf("pull: %v, %v, want %v", got.Digest, err, desc.Digest)
			}
			layer := content.NewDescriptorFromBytes("text/plain", artifact)
			if data, err := content.FetchAll(t.Context(), back, layer); err != nil || !bytes.Equal(data, artifact) {
				t.Errorf("the artifact came back as %q, %v", data, err)
			}

			denied := oras.CopyGraph(t.Context(), store, repository("release/artifact", testbed.SeedPassword("alice")), desc, oras.DefaultCopyGraphOptions)
			refused(t, denied, http.StatusForbidden, reason)
			wrong := oras.CopyGraph(t.Context(), store, repository("payments/artifact", "wrong"), desc, oras.DefaultCopyGraphOptions)
			refused(t, wrong, http.StatusUnauthorized, "The username or the password is wrong")
		})
	}
}

// refused checks that oras-go has understood the error body.
func refused(t *testing.T, err error, status int, message string) {
	t.Helper()
	var answer *errcode.ErrorResponse
	if !errors.As(err, &answer) || answer.StatusCode != status {
		t.Errorf("refused with %v, want status %d", err, status)
		return
	}
	contains(t, "the error of oras-go", answer.Error(), message)
}

// tag is the artifact's name in its store and in the registry.
const tag = "v1"

// packed returns a store with an artifact, and its manifest.
func packed(t *testing.T, artifact []byte) (*memory.Store, ocispec.Descriptor) {
	t.Helper()
	ctx, store := context.Background(), memory.New()
	layer, err := oras.PushBytes(ctx, store, "text/plain", artifact)
	if err != nil {
		t.Fatal(err)
	}
	desc, err := oras.PackManifest(ctx, store, oras.PackManifestVersion1_1, "application/vnd.example.note",
		oras.PackManifestOptions{Layers: []ocispec.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Tag(ctx, desc, tag); err != nil {
		t.Fatal(err)
	}
	return store, desc
}
