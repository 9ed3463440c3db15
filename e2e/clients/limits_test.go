package clients

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// What is over a limit is refused with a sentence, before anybody is asked, and
// the server goes on.
func TestRequestsOverTheLimits(t *testing.T) {
	t.Parallel()
	s := serve(t, registries, local)
	scopes := make([]string, 101)
	for i := range scopes {
		scopes[i] = fmt.Sprintf("repository:secret/app%d:pull", i)
	}
	form := func(body string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/token", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		return r
	}
	million := strings.Repeat("a", 1<<20)
	chunked := form("grant_type=password&username=" + million)
	chunked.ContentLength = -1
	query := url.Values{"service": {filtering}, "scope": scopes}.Encode()
	get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/token?"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		request *http.Request
		status  int
		message string
	}{
		{"a name of a megabyte", form("grant_type=password&password=x&username=" + million), http.StatusRequestEntityTooLarge, "larger than 65536 bytes"},
		{"the same in chunks", chunked, http.StatusRequestEntityTooLarge, "larger than 65536 bytes"},
		{"101 scopes in a query", get, http.StatusBadRequest, "More than 100 scopes"},
		{"101 scopes in a form", form(query + "&grant_type=password&username=admin&password=badmin"), http.StatusBadRequest, "More than 100 scopes"},
		{"101 scopes in one field", form(url.Values{
			"service": {filtering}, "scope": {strings.Join(scopes, " ")},
			"grant_type": {"password"}, "username": {admin}, "password": {adminPW},
		}.Encode()), http.StatusBadRequest, "More than 100 scopes"},
		{"a NUL in the service", form("grant_type=password&username=admin&password=badmin&service=a%00b"), http.StatusBadRequest, "is not known here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := s.Do(tt.request)
			if answer.Status != tt.status || len(answer.Errors) != 1 {
				t.Fatalf("status %d: %.300s; want %d and one error", answer.Status, answer.Body, tt.status)
			}
			contains(t, "the message", answer.Errors[0].Message, tt.message)
		})
	}
	for user, want := range map[string]int{
		"":    http.StatusOK,                    // and none is granted
		admin: http.StatusRequestEntityTooLarge, // all are, and no proxy lets such a token pass
	} {
		answer := s.Ask(testbed.TokenRequest{Service: filtering, User: user, Password: adminPW, Scopes: scopes[:100]})
		if answer.Status != want {
			t.Errorf("100 scopes for %q: status %d: %s; want %d", user, answer.Status, answer.Body, want)
		}
	}
}
