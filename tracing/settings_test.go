package tracing_test

import (
	"net/http"
	"strings"
	"testing"

	"drawbridge/identity"
	"drawbridge/tracing"

	"github.com/google/go-cmp/cmp"
)

func TestEndpoints(t *testing.T) {
	for text, want := range map[string]string{
		"http://collector:4318":             "http://collector:4318/v1/traces",
		"http://collector:4318/":            "http://collector:4318/v1/traces",
		"https://c.example/otlp/v1/traces":  "https://c.example/otlp/v1/traces",
		"https://c.example/?key=hunter2":    "",
		"https://c.example/?":               "",
		"https://[::1]:4318":                "https://[::1]:4318/v1/traces",
		"collector:4317":                    "",
		"grpc://collector:4317":             "",
		"http://":                           "",
		"":                                  "",
		"https://user:hunter2@c.example":    "",
		"https://c.example/v1/traces#there": "",
		"https://c.example:hunter2":         "",
	} {
		u, err := tracing.ParseEndpoint(text)
		switch {
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: %v", text, err)
		case (err != nil) != (want == ""), err == nil && u.String() != want:
			t.Errorf("%s: got %s, %v", text, u, err)
		}
	}
}

func TestHeaders(t *testing.T) {
	for text, want := range map[string]http.Header{
		"":                          {},
		"api-key=abc":               {"Api-Key": {"abc"}},
		"a=b, X-Scope-OrgID = 1 ":   {"A": {"b"}, "X-Scope-Orgid": {"1"}},
		"authorization=Bearer%20x=": {"Authorization": {"Bearer x="}},
		"a=b%2Cc":                   {"A": {"b,c"}},
		"a":                         nil,
		"=b":                        nil,
		"a b=c":                     nil,
		"a=b,":                      nil,
		"a=%zz":                     nil,
		"a=b%0d%0aHost: evil":       nil,
	} {
		got, err := tracing.ParseHeaders(identity.NewSecret(text))
		if (err != nil) != (want == nil) {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// FuzzParseHeaders: what is read can be sent.
func FuzzParseHeaders(f *testing.F) {
	f.Add("authorization=Bearer%20abc,x-scope-orgid=1")
	f.Add("a=b%0d")
	f.Fuzz(func(t *testing.T, text string) {
		headers, err := tracing.ParseHeaders(identity.NewSecret(text))
		if err != nil {
			return
		}
		for name, values := range headers {
			for _, value := range values {
				if name == "" || strings.ContainsAny(name+value, "\r\n\x00") {
					t.Errorf("%q becomes %q: %q", text, name, value)
				}
			}
		}
	})
}
