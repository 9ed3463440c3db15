package admin

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/connectors/robot"

	"github.com/danielgtaylor/huma/v2"
)

type robotPage struct {
	Body struct {
		Robots []manage.RobotInfo `json:"robots" nullable:"false"`
		Next   string             `json:"next,omitempty" doc:"The cursor of the next page; absent on the last."`
	}
}

type robotAnswer struct {
	ETag string `header:"ETag" doc:"The robot's version, for If-Match."`
	Body manage.RobotInfo
}

type secretAnswer struct {
	ETag string `header:"ETag" doc:"The robot's version, for If-Match."`
	Body manage.NewSecret
}

type createRobot struct {
	Write
	Body struct {
		Name        string   `json:"name" example:"payments-ci"`
		Owner       string   `json:"owner" doc:"The group that answers for it, with its connector." example:"corp/payments-leads"`
		Description string   `json:"description,omitempty"`
		CIDRs       []string `json:"cidrs,omitempty" doc:"Networks it may come from; none: from anywhere."`
		TTL         int64    `json:"ttl_seconds,omitempty" minimum:"0" doc:"How long it lives; absent: 90 days, or robots.max_ttl where that is less."`
		Reason      string   `json:"reason,omitempty" maxLength:"256" doc:"Why, for the audit log."`
	}
}

// RobotName is the robot that a request is about.
type RobotName struct {
	Name string `path:"name" example:"payments-ci"`
}

// IfVersion is the condition of a request that needs none.
type IfVersion struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the robot that the change is based on; absent: any."`
}

// Write is what every request has that changes something. huma reads no embedded
// type that is not exported.
type Write struct {
	DryRun bool `query:"dry_run" doc:"Check everything and change nothing."`
}

type editRobot struct {
	RobotName
	Write
	IfMatch string `header:"If-Match" doc:"The ETag of the robot that the change is based on."`
	Body    struct {
		Owner       *string   `json:"owner,omitempty"`
		Description *string   `json:"description,omitempty"`
		CIDRs       *[]string `json:"cidrs,omitempty" doc:"All its networks; an empty list: from anywhere. Its tokens are revoked."`
		Disabled    *bool     `json:"disabled,omitempty" doc:"A disabled robot cannot log in, and its tokens are revoked."`
		TTL         int64     `json:"ttl_seconds,omitempty" minimum:"0" doc:"Renew it for that long from now."`
		Reason      string    `json:"reason,omitempty" maxLength:"256" doc:"Why, for the audit log."`
	}
}

type rotateRobot struct {
	RobotName
	Write
	IfVersion
	Body struct {
		Overlap *int64 `json:"overlap_seconds,omitempty" minimum:"0" doc:"How long the secret before goes on; 0 ends it and the robot's tokens now; absent: a day."`
		TTL     int64  `json:"ttl_seconds,omitempty" minimum:"0" doc:"Renew the robot for that long from now."`
		Reason  string `json:"reason,omitempty" maxLength:"256" doc:"Why, for the audit log."`
	}
}

type deleteRobot struct {
	RobotName
	Write
	IfVersion
	Reason string `query:"reason" maxLength:"256" doc:"Why, for the audit log."`
}

func (h *Handler) registerRobots(api huma.API) {
	tags := []string{"Robots"}
	const path = basePath + "/robots"
	huma.Register(api, huma.Operation{
		OperationID: "list-robots", Method: http.MethodGet, Path: path, Tags: tags, Summary: "The robots that the caller may see, by name",
	}, h.listRobots)
	huma.Register(api, huma.Operation{
		OperationID: "create-robot", Method: http.MethodPost, Path: path, Tags: tags, Summary: "Make a robot and its first secret",
		DefaultStatus: http.StatusCreated, Description: "The secret is told this once. A namespace owner may, inside the namespace.",
	}, h.createRobot)
	huma.Register(api, huma.Operation{
		OperationID: "get-robot", Method: http.MethodGet, Path: path + "/{name}", Tags: tags, Summary: "One robot",
	}, func(ctx context.Context, in *RobotName) (*robotAnswer, error) {
		return h.robot(h.Desk.Robot(ctx, actor(ctx), in.Name))
	})
	huma.Register(api, huma.Operation{
		OperationID: "edit-robot", Method: http.MethodPatch, Path: path + "/{name}", Tags: tags,
		Summary: "Change a robot's owner, description, end, networks, or whether it is disabled",
	}, h.editRobot)
	huma.Register(api, huma.Operation{
		OperationID: "rotate-robot", Method: http.MethodPost, Path: path + "/{name}/rotate", Tags: tags, Summary: "Give a robot another secret",
		Description: "The secret is told this once.",
	}, h.rotateRobot)
	huma.Register(api, huma.Operation{
		OperationID: "delete-robot", Method: http.MethodDelete, Path: path + "/{name}", Tags: tags,
		Summary: "Remove a robot with its secrets, and revoke its tokens",
	}, func(ctx context.Context, in *deleteRobot) (*struct{}, error) {
		act, err := in.act(in.IfMatch, in.Reason)
		if err != nil {
			return nil, err
		}
		return nil, h.problem(h.Desk.DeleteRobot(ctx, actor(ctx), in.Name, act))
	})
}

func (h *Handler) listRobots(ctx context.Context, in *Page) (*robotPage, error) {
	list, err := h.Desk.ListRobots(ctx, actor(ctx), in.Cursor, in.Limit)
	if err != nil {
		return nil, h.problem(err)
	}
	answer := &robotPage{}
	answer.Body.Next, answer.Body.Robots = list.Next, make([]manage.RobotInfo, len(list.Robots))
	for i, bot := range list.Robots {
		answer.Body.Robots[i] = manage.InfoOf(bot, h.Desk.Clock())
	}
	return answer, nil
}

func (h *Handler) createRobot(ctx context.Context, in *createRobot) (*secretAnswer, error) {
	cidrs, err := prefixes(in.Body.CIDRs)
	if err != nil {
		return nil, h.problem(err)
	}
	req := robot.Request{
		Name: in.Body.Name, Owner: in.Body.Owner, Description: in.Body.Description, CIDRs: cidrs, TTL: seconds(in.Body.TTL),
	}
	bot, secret, err := h.Desk.CreateRobot(ctx, actor(ctx), req, manage.Act{DryRun: in.DryRun, Reason: in.Body.Reason})
	return h.secret(robot.Rotated{Robot: bot, Secret: secret}, err)
}

func (h *Handler) editRobot(ctx context.Context, in *editRobot) (*robotAnswer, error) {
	if in.IfMatch == "" {
		return nil, huma.NewError(http.StatusPreconditionRequired, "Send If-Match with the ETag of the robot that your change is based on.")
	}
	act, err := in.act(in.IfMatch, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	edit := manage.RobotEdit{
		Owner: in.Body.Owner, Description: in.Body.Description, Disabled: in.Body.Disabled, TTL: seconds(in.Body.TTL),
	}
	if in.Body.CIDRs != nil {
		cidrs, err := prefixes(*in.Body.CIDRs)
		if err != nil {
			return nil, h.problem(err)
		}
		edit.CIDRs = &cidrs
	}
	return h.robot(h.Desk.EditRobot(ctx, actor(ctx), in.Name, edit, act))
}

func (h *Handler) rotateRobot(ctx context.Context, in *rotateRobot) (*secretAnswer, error) {
	act, err := in.act(in.IfMatch, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	how := robot.Rotation{Overlap: robot.DefaultOverlap, TTL: seconds(in.Body.TTL)}
	if in.Body.Overlap != nil {
		how.Overlap = seconds(*in.Body.Overlap)
	}
	return h.secret(h.Desk.RotateRobot(ctx, actor(ctx), in.Name, how, act))
}

// act is how a request wants something changed. An If-Match that is there has to be
// one entity tag.
func (d Write) act(match, reason string) (manage.Act, error) {
	act := manage.Act{DryRun: d.DryRun, Reason: reason}
	if match == "" {
		return act, nil
	}
	var err error
	act.Expect, err = ifMatch(match)
	return act, err
}

func (h *Handler) robot(bot robot.Robot, err error) (*robotAnswer, error) {
	if err != nil {
		return nil, h.problem(err)
	}
	return &robotAnswer{ETag: strconv.Quote(bot.Version()), Body: manage.InfoOf(bot, h.Desk.Clock())}, nil
}

func (h *Handler) secret(rotated robot.Rotated, err error) (*secretAnswer, error) {
	if err != nil {
		return nil, h.problem(err)
	}
	return &secretAnswer{ETag: strconv.Quote(rotated.Robot.Version()), Body: manage.NewSecretOf(rotated, h.Desk.Clock())}, nil
}

// mostSeconds is a hundred years: more would overflow a duration some day.
const mostSeconds = 100 * 366 * 24 * 3600

func seconds(n int64) time.Duration { return time.Duration(min(n, mostSeconds)) * time.Second }

func prefixes(texts []string) ([]netip.Prefix, error) {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		var err error
		if list[i], err = robot.ParseCIDR(text); err != nil {
			return nil, err
		}
	}
	return list, nil
}
