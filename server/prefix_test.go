package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"drawbridge/server"
)

func TestWithPrefix(t *testing.T) {
	for _, tt := range []struct{ path, inside, redirect, location string }{
		{"/bridge/token", "/token", "/console/", "/bridge/console/"},
		{"/token", "/token", "/console/", "/bridge/console/"}, // a proxy has taken it off
		{"/bridge", "/", "https://idp.example/x", "https://idp.example/x"},
		{"/bridge/", "/", "//evil.example", "//evil.example"},
		{"/bridgetoken", "/bridgetoken", "relative", "relative"},
		{"/bridge/bridge/token", "/bridge/token", "/", "/bridge/"},
		{"/bridge/robots/a%2Fb", "/robots/a/b", "", ""},
		{"/%62ridge/token", "/bridge/token", "", ""}, // as is one that nobody writes so
		{"/bridge%2Ftoken", "/bridge/token", "", ""}, // no segment of its own as it was sent
	} {
		var inside *url.URL
		h := server.WithPrefix("/bridge", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inside = r.URL
			if tt.redirect != "" {
				w.Header().Set("Location", tt.redirect)
			}
			w.WriteHeader(http.StatusSeeOther)
		}))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, tt.path, nil))
		if inside.Path != tt.inside || rec.Header().Get("Location") != tt.location {
			t.Errorf("%s: inside %q, to %q; want %q, %q", tt.path, inside.Path, rec.Header().Get("Location"), tt.inside, tt.location)
		}
	}
}
