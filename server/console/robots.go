package console

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
	"drawbridge/connectors/robot"
	"drawbridge/identity"
)

// perPage is how many entries a page of a long list has.
const perPage = 100

type robotsPage struct {
	Token   string
	Q       string
	MayEdit bool
	Robots  []robotRow
	Next    string
	CSV     string
}

type robotRow struct {
	robot.Robot
	State       robot.State
	LastUsed    time.Time
	LastAddress string
	Live        int
}

func (v *visit) rowOf(bot robot.Robot) robotRow {
	now := v.Clock()
	row := robotRow{Robot: bot, State: bot.State(now), Live: len(bot.Live(now))}
	row.LastUsed, row.LastAddress = bot.LastUsed()
	return row
}

// mayManage reports whether somebody may try to change robots; which ones is the
// desk's to say.
func (v *visit) mayManage() bool {
	return v.actor.Capabilities.Has(authz.WritePolicy) || v.actor.Capabilities.Has(authz.OwnNamespace)
}

func (v *visit) robots() error {
	p := robotsPage{Token: v.session.FormToken, Q: v.query("q"), MayEdit: v.mayManage(), CSV: v.with("format", "csv")}
	limit := perPage
	if p.Q != "" || v.query("format") == "csv" {
		limit = 0 // the filter looks at all of them
	}
	list, err := v.Desk.ListRobots(v.r.Context(), v.actor, v.query("cursor"), limit)
	if err != nil {
		return err
	}
	for _, bot := range list.Robots {
		if strings.Contains(strings.ToLower(bot.Name+"\n"+bot.Owner+"\n"+bot.Description), strings.ToLower(p.Q)) {
			p.Robots = append(p.Robots, v.rowOf(bot))
		}
	}
	if list.Next != "" {
		p.Next = v.with("cursor", list.Next)
	}
	if v.query("format") == "csv" {
		return v.robotsCSV(p.Robots)
	}
	return v.show(http.StatusOK, "robots", "Robots", p)
}

func (v *visit) robotsCSV(rows []robotRow) error {
	out := [][]string{{"name", "owner", "expires", "last used", "address", "secrets", "state", "description"}}
	for _, r := range rows {
		out = append(out, []string{
			r.Name, r.Owner, stampOf(r.ExpiresAt), stampOf(r.LastUsed), r.LastAddress, strconv.Itoa(r.Live), string(r.State), r.Description,
		})
	}
	return v.csv("robots", out)
}

// robotForm is a new robot as it is typed.
type robotForm struct {
	Token, Name, Owner, Description, CIDRs, Days, Reason string
	Namespaces                                           []string
	Problem                                              *problem
}

func (v *visit) newRobot() error {
	return v.showRobotForm(http.StatusOK, &robotForm{Owner: v.query("owner")})
}

func (v *visit) showRobotForm(status int, f *robotForm) error {
	if !v.mayManage() {
		return v.noRole()
	}
	f.Token = v.session.FormToken
	if !v.actor.Capabilities.Has(authz.WritePolicy) {
		f.Namespaces = patternNames(v.Desk.Namespaces(v.actor))
	}
	return v.show(status, "newrobot", "New robot", f)
}

// secretPage shows a secret, this once.
type secretPage struct {
	Robot    robotRow
	Username string
	Secret   string
	CutShort int
}

func (v *visit) createRobot() error {
	f := &robotForm{
		Name: v.field("name"), Owner: v.field("owner"), Description: v.field("description"), CIDRs: v.text("cidrs"), Days: v.field("days"),
		Reason: v.field("reason"),
	}
	req := robot.Request{Name: f.Name, Owner: f.Owner, Description: f.Description}
	var err error
	if req.CIDRs, err = networks(f.CIDRs); err == nil {
		req.TTL, err = daysOf(f.Days)
	}
	var bot robot.Robot
	var secret identity.Secret
	if err == nil {
		bot, secret, err = v.Desk.CreateRobot(v.r.Context(), v.actor, req, manage.Act{Reason: f.Reason})
	}
	if err != nil {
		v.logged(err)
		f.Problem = problemOf(err)
		f.Problem.headers(v.w)
		return v.showRobotForm(f.Problem.Status, f)
	}
	return v.show(http.StatusOK, "secret", "Robot "+bot.Name, secretPage{
		Robot: v.rowOf(bot), Username: identity.RobotPrefix + bot.Name, Secret: secret.Reveal(),
	})
}

type robotPage struct {
	Token   string
	Robot   robotRow
	Secrets []secretRow
	Version string
	MayEdit bool
	CIDRs   string
	Problem *problem
}

type secretRow struct {
	robot.Secret
	Over bool
}

func (v *visit) robotPage() (*robotPage, error) {
	bot, err := v.Desk.Robot(v.r.Context(), v.actor, v.r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	p := &robotPage{Token: v.session.FormToken, Robot: v.rowOf(bot), Version: bot.Version(), MayEdit: v.mayManage()}
	cidrs := make([]string, len(bot.CIDRs))
	for i := range bot.CIDRs {
		cidrs[i] = bot.CIDRs[i].String()
	}
	p.CIDRs = strings.Join(cidrs, "\n")
	for _, s := range bot.Secrets {
		p.Secrets = append(p.Secrets, secretRow{s, !v.Clock().Before(s.ExpiresAt)})
	}
	return p, nil
}

func (v *visit) robot() error {
	p, err := v.robotPage()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "robot", "Robot "+p.Robot.Name, p)
}

// changeRobot does what the button says.
func (v *visit) changeRobot() error {
	name := v.r.PathValue("name")
	act := manage.Act{Expect: v.field("version"), Reason: v.field("reason")}
	yes, no := true, false
	var err error
	switch v.field("do") {
	case "rotate":
		return v.rotateRobot(name, act)
	case "disable":
		_, err = v.Desk.EditRobot(v.r.Context(), v.actor, name, manage.RobotEdit{Disabled: &yes}, act)
	case "enable":
		_, err = v.Desk.EditRobot(v.r.Context(), v.actor, name, manage.RobotEdit{Disabled: &no}, act)
	case "edit":
		err = v.editRobot(name, act)
	case "delete":
		if err = v.Desk.DeleteRobot(v.r.Context(), v.actor, name, act); err == nil {
			return v.redirect("/console/robots?done=deleted")
		}
	default:
		err = errNoButton()
	}
	if err != nil {
		return v.refusedRobot(err)
	}
	return v.redirect(v.r.URL.EscapedPath() + "?done=changed")
}

func (v *visit) editRobot(name string, act manage.Act) error {
	owner, description := v.field("owner"), v.field("description")
	edit := manage.RobotEdit{Owner: &owner, Description: &description}
	cidrs, err := networks(v.text("cidrs"))
	if err != nil {
		return err
	}
	edit.CIDRs = &cidrs
	if edit.TTL, err = daysOf(v.field("days")); err != nil {
		return err
	}
	_, err = v.Desk.EditRobot(v.r.Context(), v.actor, name, edit, act)
	return err
}

func (v *visit) rotateRobot(name string, act manage.Act) error {
	overlap, err := strconv.Atoi(v.field("overlap"))
	if err != nil || overlap < 0 || overlap > 24*365 {
		return v.refusedRobot(&identity.Error{Kind: identity.Invalid, Message: "The overlap is a number of hours; 0 ends the old secret now."})
	}
	rotated, err := v.Desk.RotateRobot(v.r.Context(), v.actor, name, robot.Rotation{Overlap: time.Duration(overlap) * time.Hour}, act)
	if err != nil {
		return v.refusedRobot(err)
	}
	return v.show(http.StatusOK, "secret", "Robot "+name, secretPage{
		Robot: v.rowOf(rotated.Robot), Username: identity.RobotPrefix + name, Secret: rotated.Secret.Reveal(), CutShort: len(rotated.CutShort),
	})
}

// refusedRobot shows the robot as it is now, and why it was not changed.
func (v *visit) refusedRobot(err error) error {
	v.logged(err)
	p, again := v.robotPage()
	if again != nil {
		return err
	}
	p.Problem = problemOf(err)
	p.Problem.headers(v.w)
	if v.field("do") == "edit" { // what was typed stays
		p.Robot.Owner, p.Robot.Description, p.CIDRs = v.field("owner"), v.field("description"), v.text("cidrs")
	}
	return v.show(p.Problem.Status, "robot", "Robot "+p.Robot.Name, p)
}

func errNoButton() error {
	return &identity.Error{Kind: identity.Invalid, Message: "The form does not say what to do."}
}

// networks reads networks, one a line.
func networks(text string) ([]netip.Prefix, error) {
	list := []netip.Prefix{}
	for _, line := range listed(text) {
		cidr, err := robot.ParseCIDR(line)
		if err != nil {
			return nil, &identity.Error{Kind: identity.Invalid, Message: "A network is written like 10.0.0.0/8: " + err.Error() + "."}
		}
		list = append(list, cidr)
	}
	return list, nil
}

// daysOf reads a number of days; empty is zero.
func daysOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 36500 {
		return 0, &identity.Error{Kind: identity.Invalid, Message: "The time is a number of days, such as 90."}
	}
	return time.Duration(n) * 24 * time.Hour, nil
}
