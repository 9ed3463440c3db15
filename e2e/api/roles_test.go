package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"drawbridge/audit"
	"drawbridge/e2e/api/client"
	"drawbridge/e2e/testbed"
)

func binding(repositories string) client.PutBindingBody {
	return client.PutBindingBody{Role: "pusher", Subjects: &[]string{"group:corp/payments-dev"}, Repositories: &[]string{repositories}}
}

func robot(name, owner string) client.CreateRobotBody {
	return client.CreateRobotBody{Name: name, Owner: owner, Reason: ptr("JIRA-1")}
}

// tag is the entity tag of the policy in force, and its text.
func tag(t *testing.T, s *testbed.Server) (etag, text string) {
	t.Helper()
	got := want[*client.GetPolicyResponse](t, http.StatusOK)(as(t, s, admin).GetPolicyWithResponse(t.Context()))
	return got.HTTPResponse.Header.Get("ETag"), *got.JSON200.Text
}

// made has the admin make a robot.
func made(t *testing.T, s *testbed.Server, name, owner string) *client.CreateRobotResponse {
	t.Helper()
	return want[*client.CreateRobotResponse](t, http.StatusCreated)(as(t, s, admin).CreateRobotWithResponse(t.Context(), nil, robot(name, owner)))
}

// TestRoles is one server, since a directory and a server take a while to start.
func TestRoles(t *testing.T) {
	s := serve(t)
	made(t, s, "web-ci", "corp/ops")
	made(t, s, "payments-mirror", "corp/payments-dev")
	t.Run("an auditor reads and cannot write", func(t *testing.T) { anAuditor(t, s) })
	t.Run("an owner cannot leave the prefix with bindings", func(t *testing.T) { ownersBindings(t, s) })
	t.Run("an owner cannot leave the prefix with robots", func(t *testing.T) { ownersRobots(t, s) })
	t.Run("nobody sees anything", func(t *testing.T) { somebodyWithoutARole(t, s) })
	t.Run("a stale change is refused", func(t *testing.T) { stale(t, s) })
	t.Run("a dry run changes nothing", func(t *testing.T) { dryRuns(t, s) })
	t.Run("a token of the API and of a registry", func(t *testing.T) { bearers(t, s) })
	t.Run("acts are audited", func(*testing.T) {
		s.AwaitAudit("the robot", func(e audit.Event) bool {
			return e.Action == audit.RobotCreated && e.User == "corp/bob" && e.Target == "robot:web-ci" && e.Note == "JIRA-1" && e.RequestID != ""
		})
		s.AwaitAudit("a refusal", func(e audit.Event) bool {
			return e.Action == audit.RobotDeleted && e.Outcome == audit.Failure && e.User == "corp/alice" && e.Target == "robot:web-ci"
		})
	})
}

func anAuditor(t *testing.T, s *testbed.Server) {
	c, ctx := as(t, s, auditor), t.Context()
	match, before := tag(t, s)
	want[*client.ListKeysResponse](t, 200)(c.ListKeysWithResponse(ctx))
	want[*client.ListConnectorsResponse](t, 200)(c.ListConnectorsWithResponse(ctx))
	want[*client.ListSessionsResponse](t, 200)(c.ListSessionsWithResponse(ctx, nil))
	registries := want[*client.ListRegistriesResponse](t, 200)(c.ListRegistriesWithResponse(ctx))
	if !strings.Contains(registries.JSON200.Registries[0].Settings, `issuer: "Acme auth server"`) {
		t.Errorf("no settings to paste: %s", registries.Body)
	}
	tested := want[*client.TestLoginResponse](t, 200)(c.TestLoginWithResponse(ctx, &client.TestLoginParams{Username: "alice"}))
	if person := string(tested.Body); !strings.Contains(person, "group:corp/payments-dev") || !strings.Contains(person, "uid=alice,ou=people") {
		t.Errorf("%s", person)
	}
	list := want[*client.ListRobotsResponse](t, 200)(c.ListRobotsWithResponse(ctx, &client.ListRobotsParams{Limit: ptr(int64(1))}))
	if len(list.JSON200.Robots) != 1 || list.JSON200.Next == nil {
		t.Errorf("%s", list.Body)
	}
	want[*client.PutPolicyResponse](t, 403)(c.PutPolicyWithResponse(ctx, &client.PutPolicyParams{IfMatch: &match}, client.DraftBody{Text: policy + "# more\n"}))
	want[*client.PutBindingResponse](t, 403)(c.PutBindingWithResponse(ctx, "x", &client.PutBindingParams{IfMatch: &match}, binding("payments/x")))
	want[*client.DeleteBindingResponse](t, 403)(c.DeleteBindingWithResponse(ctx, "web", &client.DeleteBindingParams{IfMatch: &match}))
	want[*client.RollbackPolicyResponse](t, 403)(c.RollbackPolicyWithResponse(ctx, &client.RollbackPolicyParams{IfMatch: &match}, client.RollbackBody{Revision: 1}))
	want[*client.CreateRobotResponse](t, 403)(c.CreateRobotWithResponse(ctx, nil, robot("x", "corp/team")))
	want[*client.RotateRobotResponse](t, 403)(c.RotateRobotWithResponse(ctx, "web-ci", nil, client.RotateRobotBody{}))
	want[*client.EditRobotResponse](t, 403)(c.EditRobotWithResponse(ctx, "web-ci", &client.EditRobotParams{IfMatch: ptr(`"x"`)}, client.EditRobotBody{Disabled: ptr(true)}))
	want[*client.DeleteRobotResponse](t, 403)(c.DeleteRobotWithResponse(ctx, "web-ci", nil))
	want[*client.RevokePersonResponse](t, 403)(c.RevokePersonWithResponse(ctx, nil, client.EndPersonBody{Person: "corp/alice"}))
	want[*client.ForgetPersonResponse](t, 403)(c.ForgetPersonWithResponse(ctx, nil, client.ForgetPersonBody{Who: "corp/alice"}))
	want[*client.RevokeTokenResponse](t, 403)(c.RevokeTokenWithResponse(ctx, "jti", nil, client.RevokeTokenBody{}))
	want[*client.RotateKeysResponse](t, 403)(c.RotateKeysWithResponse(ctx, nil, client.RotateKeysBody{}))
	if _, after := tag(t, s); after != before {
		t.Errorf("the policy is another one:\n%s", after)
	}
}

func ownersBindings(t *testing.T, s *testbed.Server) {
	c, ctx := as(t, s, owner), t.Context()
	match, before := tag(t, s)
	put := &client.PutBindingParams{IfMatch: &match}
	for _, beyond := range []string{"web/**", "**", "payments*/**", "paymentsx/**", "payments", "*/payments/**", "${user}/**"} {
		want[*client.PutBindingResponse](t, 403)(c.PutBindingWithResponse(ctx, "x", put, binding(beyond)))
	}
	both := binding("payments/**")
	*both.Repositories = append(*both.Repositories, "web/**")
	want[*client.PutBindingResponse](t, 403)(c.PutBindingWithResponse(ctx, "x", put, both))
	for _, role := range []string{"policy-admin", "auditor", "namespace-owner", "catalog-reader"} {
		b := binding("payments/**")
		b.Role = role
		if role != "namespace-owner" {
			b.Repositories = nil
		}
		want[*client.PutBindingResponse](t, 403)(c.PutBindingWithResponse(ctx, "x", put, b))
	}
	want[*client.PutBindingResponse](t, 403)(c.PutBindingWithResponse(ctx, "web", put, binding("payments/**"))) // takes web's away
	want[*client.DeleteBindingResponse](t, 403)(c.DeleteBindingWithResponse(ctx, "web", &client.DeleteBindingParams{IfMatch: &match}))
	want[*client.PutPolicyResponse](t, 403)(c.PutPolicyWithResponse(ctx, &client.PutPolicyParams{IfMatch: &match}, client.DraftBody{Text: policy + "# more\n"}))
	if _, after := tag(t, s); after != before {
		t.Fatalf("the policy is another one:\n%s", after)
	}
	want[*client.PutBindingResponse](t, 200)(c.PutBindingWithResponse(ctx, "qa", put, binding("payments/api")))
	names := ""
	s.Await("the binding is in force", func() bool {
		names = string(want[*client.ListBindingsResponse](t, 200)(c.ListBindingsWithResponse(ctx)).Body)
		return strings.Contains(names, `"qa"`)
	})
	if strings.Contains(names, `"web"`) || strings.Contains(names, `"admins"`) {
		t.Errorf("the owner sees %s", names)
	}
}

func ownersRobots(t *testing.T, s *testbed.Server) {
	c, ctx := as(t, s, owner), t.Context()
	const dev = "corp/payments-dev"
	for name, group := range map[string]string{
		"web-x": dev, "paymentsx": dev, "x-payments": dev, "payments-x": "corp/ops", "payments-y": "corp/nobody",
	} {
		want[*client.CreateRobotResponse](t, 403)(c.CreateRobotWithResponse(ctx, nil, robot(name, group)))
	}
	// web-ci is somebody else's, and whoever has the mirror's secret may pull base/**.
	for _, name := range []string{"web-ci", "payments-mirror"} {
		want[*client.RotateRobotResponse](t, 403)(c.RotateRobotWithResponse(ctx, name, nil, client.RotateRobotBody{}))
		want[*client.EditRobotResponse](t, 403)(c.EditRobotWithResponse(ctx, name, &client.EditRobotParams{IfMatch: ptr(`"x"`)}, client.EditRobotBody{Owner: ptr(dev)}))
		want[*client.DeleteRobotResponse](t, 403)(c.DeleteRobotWithResponse(ctx, name, nil))
	}
	want[*client.GetRobotResponse](t, 404)(c.GetRobotWithResponse(ctx, "web-ci"))
	want[*client.CreateRobotResponse](t, 201)(c.CreateRobotWithResponse(ctx, nil, robot("payments-ci", dev)))
	got := want[*client.GetRobotResponse](t, 200)(c.GetRobotWithResponse(ctx, "payments-ci"))
	etag := got.HTTPResponse.Header.Get("ETag")
	want[*client.EditRobotResponse](t, 403)(c.EditRobotWithResponse(ctx, "payments-ci", &client.EditRobotParams{IfMatch: &etag}, client.EditRobotBody{Owner: ptr("corp/ops")}))
	secret := want[*client.RotateRobotResponse](t, 200)(c.RotateRobotWithResponse(ctx, "payments-ci", nil, client.RotateRobotBody{OverlapSeconds: ptr(int64(0))}))
	if answer := s.Token("robot.payments-ci", *secret.JSON200.Secret); answer.Status != 200 {
		t.Errorf("the robot cannot log in: %d %s", answer.Status, answer.Body)
	}
	list := want[*client.ListRobotsResponse](t, 200)(c.ListRobotsWithResponse(ctx, nil))
	if names := string(list.Body); !strings.Contains(names, `"payments-ci"`) || strings.Contains(names, "web-ci") {
		t.Errorf("the owner sees %s", names)
	}
	want[*client.DeleteRobotResponse](t, 204)(c.DeleteRobotWithResponse(ctx, "payments-ci", nil))
}

func somebodyWithoutARole(t *testing.T, s *testbed.Server) {
	c, ctx := as(t, s, nobody), t.Context()
	match, _ := tag(t, s)
	want[*client.GetPolicyResponse](t, 403)(c.GetPolicyWithResponse(ctx))
	want[*client.ListRevisionsResponse](t, 403)(c.ListRevisionsWithResponse(ctx, nil))
	want[*client.ListBindingsResponse](t, 403)(c.ListBindingsWithResponse(ctx))
	for _, name := range []string{"web", "there-is-none"} {
		want[*client.DeleteBindingResponse](t, 403)(c.DeleteBindingWithResponse(ctx, name, &client.DeleteBindingParams{IfMatch: &match}))
	}
	want[*client.WhoCanResponse](t, 403)(c.WhoCanWithResponse(ctx, &client.WhoCanParams{Actions: "pull", Repository: ptr("web/x")}))
	want[*client.ListAccessResponse](t, 403)(c.ListAccessWithResponse(ctx, &client.ListAccessParams{Who: "corp/alice"}))
	want[*client.ListRobotsResponse](t, 403)(c.ListRobotsWithResponse(ctx, nil))
	for _, name := range []string{"web-ci", "there-is-none"} {
		want[*client.GetRobotResponse](t, 403)(c.GetRobotWithResponse(ctx, name))
		want[*client.DeleteRobotResponse](t, 403)(c.DeleteRobotWithResponse(ctx, name, nil))
	}
	want[*client.ListKeysResponse](t, 403)(c.ListKeysWithResponse(ctx))
	want[*client.ListConnectorsResponse](t, 403)(c.ListConnectorsWithResponse(ctx))
	want[*client.ListRegistriesResponse](t, 403)(c.ListRegistriesWithResponse(ctx))
	want[*client.TestLoginResponse](t, 403)(c.TestLoginWithResponse(ctx, &client.TestLoginParams{Username: "alice"}))
	want[*client.ListSessionsResponse](t, 403)(c.ListSessionsWithResponse(ctx, &client.ListSessionsParams{Person: ptr("corp/alice")}))
	own := want[*client.ListSessionsResponse](t, 200)(c.ListSessionsWithResponse(ctx, nil))
	if len(own.JSON200.Sessions) != 0 {
		t.Errorf("%s", own.Body)
	}
	if me := want[*client.WhoAmIResponse](t, 200)(c.WhoAmIWithResponse(ctx)); me.JSON200.Name != "corp/dave" || len(me.JSON200.Capabilities) != 0 {
		t.Errorf("%s", me.Body)
	}
}

func stale(t *testing.T, s *testbed.Server) {
	c, ctx := as(t, s, admin), t.Context()
	want[*client.PutBindingResponse](t, 412)(c.PutBindingWithResponse(ctx, "x", &client.PutBindingParams{IfMatch: ptr(`"r1"`)}, binding("payments/x")))
	want[*client.PutPolicyResponse](t, 412)(c.PutPolicyWithResponse(ctx, &client.PutPolicyParams{IfMatch: ptr(`"r1"`)}, client.DraftBody{Text: policy + "# more\n"}))
	want[*client.PutPolicyResponse](t, 428)(c.PutPolicyWithResponse(ctx, nil, client.DraftBody{Text: policy + "# more\n"}))
	got := want[*client.GetRobotResponse](t, 200)(c.GetRobotWithResponse(ctx, "web-ci"))
	etag := got.HTTPResponse.Header.Get("ETag")
	edit := func(description string) (*client.EditRobotResponse, error) {
		return c.EditRobotWithResponse(ctx, "web-ci", &client.EditRobotParams{IfMatch: &etag}, client.EditRobotBody{Description: &description})
	}
	want[*client.EditRobotResponse](t, 200)(edit("first"))
	want[*client.EditRobotResponse](t, 412)(edit("second"))
	want[*client.DeleteRobotResponse](t, 412)(c.DeleteRobotWithResponse(ctx, "web-ci", &client.DeleteRobotParams{IfMatch: &etag}))
	after := want[*client.GetRobotResponse](t, 200)(c.GetRobotWithResponse(ctx, "web-ci"))
	if *after.JSON200.Description != "first" {
		t.Errorf("%s", after.Body)
	}
}

func dryRuns(t *testing.T, s *testbed.Server) {
	c, ctx, dry := as(t, s, admin), t.Context(), ptr(true)
	state := func() string {
		_, text := tag(t, s)
		for _, list := range []answer{
			want[*client.ListRobotsResponse](t, 200)(c.ListRobotsWithResponse(ctx, nil)),
			want[*client.ListKeysResponse](t, 200)(c.ListKeysWithResponse(ctx)),
			want[*client.ListSessionsResponse](t, 200)(c.ListSessionsWithResponse(ctx, &client.ListSessionsParams{Ended: dry})),
		} {
			text += string(list.GetBody())
		}
		return text
	}
	match, _ := tag(t, s)
	before := state()
	plan := want[*client.PutPolicyResponse](t, 200)(c.PutPolicyWithResponse(ctx, &client.PutPolicyParams{IfMatch: &match, DryRun: dry}, client.DraftBody{Text: policy + "# more\n"}))
	if plan.JSON200.Plan == nil {
		t.Errorf("no plan: %s", plan.Body)
	}
	want[*client.PutBindingResponse](t, 200)(c.PutBindingWithResponse(ctx, "x", &client.PutBindingParams{IfMatch: &match, DryRun: dry}, binding("payments/x")))
	want[*client.DeleteBindingResponse](t, 200)(c.DeleteBindingWithResponse(ctx, "web", &client.DeleteBindingParams{IfMatch: &match, DryRun: dry}))
	want[*client.RollbackPolicyResponse](t, 200)(c.RollbackPolicyWithResponse(ctx, &client.RollbackPolicyParams{IfMatch: &match, DryRun: dry}, client.RollbackBody{Revision: 1}))
	bot := want[*client.CreateRobotResponse](t, 201)(c.CreateRobotWithResponse(ctx, &client.CreateRobotParams{DryRun: dry}, robot("x", "corp/ops")))
	if bot.JSON201.Secret != nil {
		t.Error("a dry run told a secret")
	}
	want[*client.CreateRobotResponse](t, 409)(c.CreateRobotWithResponse(ctx, &client.CreateRobotParams{DryRun: dry}, robot("web-ci", "corp/ops")))
	want[*client.RotateRobotResponse](t, 200)(c.RotateRobotWithResponse(ctx, "web-ci", &client.RotateRobotParams{DryRun: dry}, client.RotateRobotBody{}))
	etag := want[*client.GetRobotResponse](t, 200)(c.GetRobotWithResponse(ctx, "web-ci")).HTTPResponse.Header.Get("ETag")
	want[*client.EditRobotResponse](t, 200)(c.EditRobotWithResponse(ctx, "web-ci", &client.EditRobotParams{IfMatch: &etag, DryRun: dry}, client.EditRobotBody{Disabled: dry}))
	want[*client.DeleteRobotResponse](t, 204)(c.DeleteRobotWithResponse(ctx, "web-ci", &client.DeleteRobotParams{DryRun: dry}))
	want[*client.RevokePersonResponse](t, 200)(c.RevokePersonWithResponse(ctx, &client.RevokePersonParams{DryRun: dry}, client.EndPersonBody{Person: "corp/bob"}))
	want[*client.ForgetPersonResponse](t, 204)(c.ForgetPersonWithResponse(ctx, &client.ForgetPersonParams{DryRun: dry}, client.ForgetPersonBody{Who: "corp/bob"}))
	want[*client.RotateKeysResponse](t, 200)(c.RotateKeysWithResponse(ctx, &client.RotateKeysParams{DryRun: dry}, client.RotateKeysBody{Emergency: dry}))
	if after := state(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func bearers(t *testing.T, s *testbed.Server) {
	token := want[*client.MakeTokenResponse](t, 200)(as(t, s, owner).MakeTokenWithResponse(t.Context())).JSON200
	bearer := func(text string) *client.ClientWithResponses {
		return with(t, s, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+text) })
	}
	me := want[*client.WhoAmIResponse](t, 200)(bearer(token.AccessToken).WhoAmIWithResponse(t.Context()))
	if me.JSON200.Name != "corp/alice" || strings.Join(me.JSON200.Groups, " ") != "payments-dev" || len(me.JSON200.Capabilities) != 1 {
		t.Errorf("%s", me.Body)
	}
	want[*client.GetPolicyResponse](t, 403)(bearer(token.AccessToken).GetPolicyWithResponse(t.Context()))
	want[*client.MakeTokenResponse](t, 401)(bearer(token.AccessToken).MakeTokenWithResponse(t.Context()))
	registry := s.Ask(testbed.TokenRequest{Service: "Docker registry", User: admin, Password: testbed.SeedPassword(admin)})
	want[*client.WhoAmIResponse](t, 401)(bearer(registry.Token).WhoAmIWithResponse(t.Context()))
	want[*client.RevokeTokenResponse](t, 204)(as(t, s, admin).RevokeTokenWithResponse(t.Context(), token.Jti, nil, client.RevokeTokenBody{}))
	want[*client.WhoAmIResponse](t, 401)(bearer(token.AccessToken).WhoAmIWithResponse(t.Context()))
}

// TestWrongPasswords: guessing is limited, as at a login.
func TestWrongPasswords(t *testing.T) {
	s := serve(t)
	guesses, limited := 0, 0
	guess := with(t, s, func(r *http.Request) {
		guesses++
		r.SetBasicAuth(admin, fmt.Sprint("wrong ", guesses))
	})
	for range 40 {
		answer, err := guess.WhoAmIWithResponse(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch answer.StatusCode() {
		case http.StatusUnauthorized:
		case http.StatusTooManyRequests:
			limited++
			if answer.HTTPResponse.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		default:
			t.Fatalf("%d %s", answer.StatusCode(), answer.Body)
		}
	}
	if limited == 0 {
		t.Error("40 wrong passwords, and none too many")
	}
}
