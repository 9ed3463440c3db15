package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
	"drawbridge/store/feed"
)

// form posts a form to the server.
func form(t *testing.T, s *testbed.Server, path string, fields url.Values, header ...string) answer {
	t.Helper()
	return caller{t, s.Client(), s.URL, ""}.do(http.MethodPost, path, strings.NewReader(fields.Encode()),
		append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

// tokens reads a token endpoint's answer.
func (a answer) tokens(t *testing.T) (access, refresh string) {
	t.Helper()
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != http.StatusOK {
		t.Fatalf("status %d: %s: %v", a.status, a.body, err)
	}
	return body.Access, body.Refresh
}

// A session that is ended takes its access tokens with it: by its refresh token,
// and by its ID on the command line.
func TestEndedSession(t *testing.T) {
	s := serve(t)
	r := registry(t, s, testbed.Registry311)
	g := nginx(t, s, r.Addr)
	introspect := func(token string) string {
		t.Helper()
		a := form(t, s, "/oauth2/introspect", url.Values{"token": {token}}, "Authorization", "Basic "+basicOf(auditor, auditorPW))
		return a.want(t, "introspect", http.StatusOK).body
	}
	for name, end := range map[string]func(refresh, id string){
		"its refresh token": func(refresh, _ string) {
			form(t, s, "/oauth2/revoke", url.Values{"token": {refresh}, "token_type_hint": {"refresh_token"}}).want(t, "revoke", http.StatusOK)
		},
		"session revoke": func(_, id string) {
			if out := testbed.RunDrawbridge(t, s.Dir, "", "session", "revoke", id, "--config", "drawbridge.yaml"); out.Code != 0 {
				t.Fatalf("session revoke: %+v", out)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			login := url.Values{
				"grant_type": {"password"}, "username": {alice}, "password": {alicePW}, "service": {service},
				"scope": {pushScope}, "access_type": {"offline"}, "client_id": {"the-test"},
			}
			_, refresh := form(t, s, "/token", login).tokens(t)
			if refresh == "" {
				t.Fatal("no refresh token")
			}
			again := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "service": {service}, "scope": {pushScope}, "client_id": {"the-test"}}
			access, _ := form(t, s, "/token", again).tokens(t)
			var state struct {
				Active   bool
				Sub, Sid string
				Client   string `json:"client_id"`
			}
			if err := json.Unmarshal([]byte(introspect(refresh)), &state); err != nil || !state.Active || state.Sub != "local/"+alice || state.Client != "the-test" {
				t.Fatalf("the refresh token: %s: %v", introspect(refresh), err)
			}
			if got := introspect(access); !strings.Contains(got, `"sid":"`+state.Sid+`"`) {
				t.Errorf("the access token is not of the session %s: %s", state.Sid, got)
			}
			p := startPush(through(t, s, g, access))
			p.chunk("the first chunk").want(t, "the first chunk", http.StatusAccepted)

			end(refresh, state.Sid)
			a := p.chunk("the next chunk")
			for patience := time.Now().Add(noticed); name == "session revoke" && a.status == http.StatusAccepted && time.Now().Before(patience); {
				a = p.chunk("the next chunk")
			}
			a.want(t, "after the end", http.StatusForbidden, "the session of this token was ended")
			form(t, s, "/token", again).want(t, "refresh", http.StatusUnauthorized)
			for _, token := range []string{refresh, access} {
				if got := introspect(token); got != `{"active":false}` {
					t.Errorf("introspect after the end: %s", got)
				}
			}
			s.AwaitAudit("the refused token", func(e audit.Event) bool {
				return e.Action == audit.TokenRefused && e.SessionID == state.Sid && e.Reason == string(feed.RevokeSession)
			})
			if strings.Contains(s.Output(), refresh) {
				t.Error("the server printed the refresh token")
			}
		})
	}
}
