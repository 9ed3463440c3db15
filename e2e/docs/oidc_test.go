package docs

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// docs/oidc.md: its commands and configurations at a real provider.
func TestOIDCPage(t *testing.T) {
	t.Parallel()
	people := testbed.StartSlapd(t)
	people.Modify(people.PersonDN("alice"), "mail", "alice@corp.example")
	dex := testbed.StartDex(t, people)
	w := newTask(t, "oidc.md", "oidc",
		"https://idp.example.com", dex.IssuerURL, "/etc/drawbridge/idp-ca.pem", dex.CAFile, "/run/secrets/oidc", "client-secret")
	w.write("client-secret", testbed.DexClientSecret+"\n")
	if out := w.run(w.block("oidc-discovery")); !strings.Contains(out, `"issuer": "`+dex.IssuerURL+`"`) || !strings.Contains(out, `"password"`) {
		t.Error(out)
	}
	w.env = append(w.env, "PASSWORD="+testbed.SeedPassword("alice"))
	w.shows(w.run(w.block("oidc-check")))
	w.serves("alice", testbed.SeedPassword("alice"), "payments/api", "pull push")

	broken := []func(string) string{
		replaced(dex.IssuerURL, dex.IssuerURL+"/"),
		without("issuer_ca_file"),
		replaced(dex.IssuerURL, "https://127.0.0.1:1"),
		replaced("preferred_username", "upn"),
		replaced("groups_claim: groups", "groups_claim: email_verified"),
	}
	oauth := provider(t, func() (int, map[string]string) { return http.StatusOK, map[string]string{"access_token": "x"} })
	w.causes("the cause holds ", append(broken, oauth))
}

// provider starts one that answers logins as told, and returns what makes a
// configuration use it. What it stands for, other providers' words, can be had
// from no program here.
func provider(t *testing.T, answer func() (int, map[string]string)) func(config string) string {
	t.Helper()
	var issuer string
	reply := func(w http.ResponseWriter, status int, body map[string]string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"issuer": issuer, "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/keys"})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		status, body := answer()
		reply(w, status, body)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	issuer = server.URL
	return func(config string) string {
		at := strings.Index(config, "issuer_url: ")
		end := at + strings.Index(config[at:], "\n")
		return without("issuer_ca_file")(config[:at] + "issuer_url: " + issuer + "\n    insecure: true" + config[end:])
	}
}

// Each line of the tables of what a provider's token endpoint answers.
func TestOIDCAnswers(t *testing.T) {
	t.Parallel()
	w := newTask(t, "oidc.md", "oidc", "/run/secrets/oidc", "client-secret", "/etc/drawbridge/idp-ca.pem", "ca.pem")
	w.write("client-secret", "secret\n")
	var status int
	var body map[string]string
	w.write("drawbridge.yaml", provider(t, func() (int, map[string]string) { return status, body })(w.block("oidc")))
	rows := w.rows("the token endpoint's `error` ")
	if len(rows) != 17 {
		t.Errorf("the tables have %d rows", len(rows))
	}
	for _, row := range rows {
		status, body = http.StatusBadRequest, map[string]string{"error": quoted(row[0])[0]}
		want, code := quoted(row[1]), 2 // of the table without a column for descriptions
		if len(row) == 4 {
			if begins := quoted(row[1]); len(begins) == 1 {
				body["error_description"] = begins[0] + " and more"
				if !strings.HasSuffix(begins[0], " ") { // Keycloak's are the whole
					body["error_description"] = begins[0]
				}
			}
			want, code = quoted(row[2]), 1
		}
		got, out := w.tryLogin("drawbridge.yaml", "alice", "a password")
		if got != code || !strings.Contains(out, want[0]) {
			t.Errorf("%q: exit code %d, want %d and %s:\n%s", row, got, code, want[0], out)
		}
	}
}
