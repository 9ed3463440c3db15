package clients

import (
	"fmt"
	"net/http"
	"strings"

	"drawbridge/e2e/testbed"
)

// tokenClient is a client made of a token and one request; it deletes, which
// docker cannot.
type tokenClient struct {
	client
	m    matrix
	r    *testbed.Registry
	user string
}

func (m matrix) byToken(r *testbed.Registry, user string) client {
	return tokenClient{m: m, r: r, user: user}
}

func (c tokenClient) remove(ref string) (string, error) {
	t, s := c.m.t, c.m.s
	path, tag, _ := strings.Cut(strings.TrimPrefix(ref, host(c.r)+"/"), ":")
	token := s.Ask(testbed.TokenRequest{
		Service: filtering, User: c.user, Password: testbed.SeedPassword(c.user),
		Scopes: []string{"repository:" + path + ":pull,delete"},
	}).Token
	digest := digestOf(t, s, c.r, path, tag, token)
	status, body := bearer(t, s, c.r, http.MethodDelete, "/v2/"+path+"/manifests/"+digest, token)
	if status != http.StatusAccepted {
		return body, fmt.Errorf("delete: status %d", status)
	}
	return body, nil
}
