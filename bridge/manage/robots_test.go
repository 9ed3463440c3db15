package manage_test

import (
	"slices"
	"testing"

	"drawbridge/bridge/manage"
	"drawbridge/connectors/robot"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

func request(name, owner string) robot.Request { return robot.Request{Name: name, Owner: owner} }

// robots makes robots as somebody who may.
func (w *world) robots(requests ...robot.Request) {
	w.t.Helper()
	for _, req := range requests {
		if _, _, err := w.CreateRobot(w.t.Context(), w.actor("root"), req, manage.Act{}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.took()
}

func TestWhoMakesRobots(t *testing.T) {
	lead := []string{"leads", "dev"}
	for _, tt := range []struct {
		name   string
		who    string
		groups []string
		req    robot.Request
		want   identity.ErrorKind // Internal: it is made
	}{
		{"an admin", "root", nil, request("anything", "corp/x"), identity.Internal},
		{"a connector that there is not", "root", nil, request("anything", "crop/x"), identity.Invalid},
		{"an auditor", "eve", nil, request("payments-x", "corp/x"), identity.Forbidden},
		{"nobody", "bob", []string{"dev"}, request("payments-x", "corp/dev"), identity.Forbidden},
		{"a lead", "lead", lead, request("payments-x", "corp/dev"), identity.Internal},
		{"a lead, whom a binding in the namespace names already", "lead", lead, request("payments-ci", "corp/dev"), identity.Internal},
		{"beyond the namespace", "lead", lead, request("web-x", "corp/dev"), identity.Forbidden},
		{"beside the namespace", "lead", lead, request("paymentsx", "corp/dev"), identity.Forbidden},
		{"of another group", "lead", lead, request("payments-x", "corp/web"), identity.Forbidden},
		{"of a group of another connector", "lead", lead, request("payments-x", "local/dev"), identity.Invalid},
		{"with rights beyond the namespace", "lead", lead, request("payments-far", "corp/dev"), identity.Forbidden},
		{"no name", "root", nil, request("No Name", "corp/x"), identity.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			actor := w.actor(tt.who, tt.groups...)
			for _, act := range []manage.Act{{DryRun: true}, {}} {
				before := w.changes()
				_, secret, err := w.CreateRobot(t.Context(), actor, tt.req, act)
				if tt.want != identity.Internal {
					if kindOf(err) != tt.want || !secret.Empty() || w.changes() != before {
						t.Errorf("%+v: %v", act, err)
					}
					continue
				}
				if err != nil || secret.Empty() != act.DryRun || (w.changes() == before) != act.DryRun {
					t.Errorf("%+v: %v, secret %t", act, err, !secret.Empty())
				}
			}
			outcome := map[identity.ErrorKind][]string{
				identity.Internal:  {"robot_created success corp/" + tt.who + " robot:" + tt.req.Name},
				identity.Forbidden: {"robot_created failure corp/" + tt.who + " robot:" + tt.req.Name},
				identity.Invalid:   {},
			}
			if diff := cmp.Diff(outcome[tt.want], w.took()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhoSeesRobots(t *testing.T) {
	w := newWorld(t)
	w.robots(request("payments-ci", "corp/dev"), request("payments-far", "corp/dev"), request("payments-z", "corp/other"), request("web-ci", "corp/dev"))
	for who, want := range map[string][]string{
		"root": {"payments-ci", "payments-far", "payments-z", "web-ci"}, "eve": {"payments-ci", "payments-far", "payments-z", "web-ci"},
		"lead": {"payments-ci", "payments-far"}, "bob": nil,
	} {
		actor := w.actor(who)
		if who == "lead" {
			actor = w.actor(who, "leads", "dev")
		}
		var names []string
		for cursor := ""; ; {
			page, err := w.ListRobots(t.Context(), actor, cursor, 1)
			if (err != nil) != (want == nil) || err != nil && kindOf(err) != identity.Forbidden {
				t.Fatalf("%s: %v", who, err)
			}
			for _, bot := range page.Robots {
				names = append(names, bot.Name)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s sees %v", who, names)
		}
		for _, name := range []string{"payments-ci", "payments-z", "nobody"} {
			_, err := w.Robot(t.Context(), actor, name)
			switch {
			case slices.Contains(want, name) && err == nil, want == nil && kindOf(err) == identity.Forbidden,
				!slices.Contains(want, name) && kindOf(err) == identity.NotFound:
			default:
				t.Errorf("%s reads %s: %v", who, name, err)
			}
		}
	}
}

func TestWhoChangesRobots(t *testing.T) {
	yes, other := true, "corp/other"
	acts := map[string]func(*world, manage.Actor, string, manage.Act) error{
		"rotate": func(w *world, a manage.Actor, name string, act manage.Act) error {
			_, err := w.RotateRobot(w.t.Context(), a, name, robot.Rotation{}, act)
			return err
		},
		"disable": func(w *world, a manage.Actor, name string, act manage.Act) error {
			_, err := w.EditRobot(w.t.Context(), a, name, manage.RobotEdit{Disabled: &yes}, act)
			return err
		},
		"delete": func(w *world, a manage.Actor, name string, act manage.Act) error {
			return w.DeleteRobot(w.t.Context(), a, name, act)
		},
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.robots(request("payments-ci", "corp/dev"), request("payments-far", "corp/dev"), request("payments-z", "corp/other"), request("web-ci", "corp/dev"))
			lead, before := w.actor("lead", "leads", "dev"), w.changes()
			for _, who := range []manage.Actor{w.actor("eve"), w.actor("bob", "dev")} {
				if err := act(w, who, "payments-ci", manage.Act{}); kindOf(err) != identity.Forbidden {
					t.Errorf("%s: %v", who.Name, err)
				}
			}
			for _, robot := range []string{"payments-far", "payments-z", "web-ci"} {
				if err := act(w, lead, robot, manage.Act{}); kindOf(err) != identity.Forbidden {
					t.Errorf("%s: %v", robot, err)
				}
			}
			if err := act(w, lead, "payments-ci", manage.Act{Expect: "another"}); kindOf(err) != identity.Stale {
				t.Errorf("of another version: %v", err)
			}
			if err := act(w, w.actor("root"), "nobody", manage.Act{}); kindOf(err) != identity.NotFound {
				t.Errorf("nobody: %v", err)
			}
			bot, err := w.Robot(t.Context(), lead, "payments-ci")
			if err != nil {
				t.Fatal(err)
			}
			if err := act(w, lead, "payments-ci", manage.Act{Expect: bot.Version(), DryRun: true}); err != nil {
				t.Error(err)
			}
			if w.changes() != before {
				t.Error("something was changed")
			}
			if err := act(w, lead, "payments-ci", manage.Act{Expect: bot.Version()}); err != nil || w.changes() == before {
				t.Error(err)
			}
		})
	}
	w := newWorld(t)
	w.robots(request("payments-ci", "corp/dev"))
	if _, err := w.EditRobot(t.Context(), w.actor("lead", "leads", "dev"), "payments-ci", manage.RobotEdit{Owner: &other}, manage.Act{}); kindOf(err) != identity.Forbidden {
		t.Errorf("a robot was given away: %v", err)
	}
	bot, err := w.EditRobot(t.Context(), w.actor("root"), "payments-ci", manage.RobotEdit{Owner: &other, Disabled: &yes}, manage.Act{Reason: "why"})
	if last := w.events[len(w.events)-1]; last.Note != "why" {
		t.Errorf("the reason is not in the audit log: %+v", last)
	}
	if err != nil || bot.Owner != other || !bot.Disabled {
		t.Errorf("%+v, %v", bot, err)
	}
	want := []string{
		"robot_changed failure corp/lead robot:payments-ci", "robot_disabled success corp/root robot:payments-ci",
		"robot_changed success corp/root robot:payments-ci",
	}
	if diff := cmp.Diff(want, w.took()); diff != "" {
		t.Error(diff)
	}
}
