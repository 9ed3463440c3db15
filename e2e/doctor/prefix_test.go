package doctor

import (
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// Drawbridge below a path of a host, whose nginx leaves the path or takes it off; then
// realms and proxies that lose the path, or have it twice.
func TestBelowAPath(t *testing.T) {
	t.Parallel()
	w := start(t, nil, "DRAWBRIDGE_SERVER_EXTERNAL_URL=https://localhost/drawbridge")
	leaves := nginxTLS(t, w, `location /drawbridge/ { proxy_pass `+w.URL+`; }`)
	for _, tt := range []struct {
		name   string
		server string // "": the one that leaves the path
		realm  string
		want   []string
		says   string
	}{
		{"leaves the path", "", "/drawbridge/token", nil, ""},
		{"takes it off", `location /drawbridge/ { proxy_pass ` + w.URL + `/; }`, "/drawbridge/token", nil, ""},
		{"the other endpoint", "", "/drawbridge/auth", nil, ""},
		{"a realm without the path", "", "/token", []string{"DB-CHL-003"}, `the path before /token is "", and must be "/drawbridge"`},
		{"a realm with it twice", "", "/drawbridge/drawbridge/token", []string{"DB-CHL-003"}, `must be "/drawbridge"`},
		{"takes off too little", `location /drawbridge { proxy_pass ` + w.URL + `/; }`, "/drawbridge/token", []string{"DB-NET-008"}, "with a redirect to /drawbridge/.well-known/jwks.json"},
		{"adds it again", `location /drawbridge/ { proxy_pass ` + w.URL + `/drawbridge/drawbridge/; }`, "/drawbridge/token", []string{"DB-NET-008"}, "answered 404"},
		{"has another one", `location /auth-server/ { proxy_pass ` + w.URL + `/; }`, "/drawbridge/token", []string{"DB-NET-008"}, "404 by nginx"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host := leaves
			if tt.server != "" {
				host = nginxTLS(t, w, tt.server)
			}
			opts := w.trusting()
			opts.Realm = "https://" + host + tt.realm
			r := testbed.StartRegistry(t, testbed.Registry311, opts)
			v := at(strings.Replace(r.URL, "127.0.0.1", "localhost", 1))
			v.differences = object{"server": object{"external_url": "https://" + host + "/drawbridge"}}
			got := w.doctor(t, v, tt.want...)
			for _, id := range tt.want {
				got.says(t, id, tt.says)
			}
			for _, one := range got.Results {
				if one.Check == "realm" && tt.want == nil && one.State != "ok" {
					t.Errorf("the realm is %s: %s", one.State, one.Detail)
				}
			}
			if len(tt.want) == 1 && tt.want[0] == "DB-CHL-003" {
				got.says(t, "DB-CHL-003", `auth: { token: { realm: "https://`+host+`/drawbridge/token" } }`)
			}
			if len(tt.want) == 1 && tt.want[0] == "DB-NET-008" {
				got.says(t, "DB-NET-008", "https://"+host+"/drawbridge/.well-known/jwks.json", "nginx: location /drawbridge/ {")
			}
		})
	}
}
