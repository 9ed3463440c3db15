package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"drawbridge/bridge/manage"
	"drawbridge/connectors/robot"
	"drawbridge/identity"
)

// ListRobots returns all robots that the caller may see.
func (c *Client) ListRobots(ctx context.Context) ([]manage.RobotInfo, error) {
	list := []manage.RobotInfo{}
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	for {
		var page struct {
			Robots []manage.RobotInfo `json:"robots"`
			Next   string             `json:"next"`
		}
		if _, err := c.do(ctx, call{method: http.MethodGet, path: "/robots", query: query}, &page); err != nil {
			return nil, err
		}
		list = append(list, page.Robots...)
		if page.Next == "" {
			return list, nil
		}
		query.Set("cursor", page.Next)
	}
}

// CreateRobot makes a robot and its first secret.
func (c *Client) CreateRobot(ctx context.Context, req robot.Request) (made manage.NewSecret, err error) {
	cidrs := make([]string, len(req.CIDRs))
	for i, cidr := range req.CIDRs {
		cidrs[i] = cidr.String()
	}
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/robots", body: map[string]any{
		"name": req.Name, "owner": req.Owner, "description": req.Description, "cidrs": cidrs, "ttl_seconds": seconds(req.TTL),
	}}, &made)
	return made, err
}

// RotateRobot gives a robot another secret.
func (c *Client) RotateRobot(ctx context.Context, name string, how robot.Rotation) (made manage.NewSecret, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: robotPath(name) + "/rotate", body: map[string]any{
		"overlap_seconds": seconds(how.Overlap), "ttl_seconds": seconds(how.TTL),
	}}, &made)
	return made, err
}

// DisableRobot disables a robot, or enables it again, as it is now.
func (c *Client) DisableRobot(ctx context.Context, name string, disabled bool) error {
	etag, err := c.do(ctx, call{method: http.MethodGet, path: robotPath(name)}, nil)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, call{method: http.MethodPatch, path: robotPath(name), match: etag, body: map[string]bool{"disabled": disabled}}, nil)
	return err
}

// DeleteRobot removes a robot.
func (c *Client) DeleteRobot(ctx context.Context, name string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: robotPath(name)}, nil)
	return err
}

func robotPath(name string) string { return "/robots/" + url.PathEscape(name) }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// ListSessions returns at most q.Limit sessions, 0 being all.
func (c *Client) ListSessions(ctx context.Context, q manage.SessionQuery) (manage.SessionPage, error) {
	all := manage.SessionPage{Sessions: nil}
	query := url.Values{}
	for name, value := range map[string]string{"person": q.Person, "service": q.Service, "cursor": q.Cursor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if q.Ended {
		query.Set("ended", "true")
	}
	for {
		size := pageSize
		if q.Limit > 0 {
			size = min(pageSize, q.Limit-len(all.Sessions))
		}
		query.Set("limit", strconv.Itoa(size))
		var page manage.SessionPage
		if _, err := c.do(ctx, call{method: http.MethodGet, path: "/sessions", query: query}, &page); err != nil {
			return page, err
		}
		all.Sessions, all.Next = append(all.Sessions, page.Sessions...), page.Next
		if page.Next == "" || q.Limit > 0 && len(all.Sessions) >= q.Limit {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

// EndSessions ends sessions by their IDs.
func (c *Client) EndSessions(ctx context.Context, ids []string, reason string) (manage.Ended, error) {
	all := manage.Ended{Ended: []string{}, Unknown: []string{}}
	for _, id := range ids {
		_, err := c.do(ctx, call{method: http.MethodDelete, path: "/sessions/" + url.PathEscape(id), query: url.Values{"reason": {reason}}}, nil)
		switch {
		case err == nil:
			all.Ended = append(all.Ended, id)
		case identity.AsError(err).Kind == identity.NotFound:
			all.Unknown = append(all.Unknown, id)
		default:
			return all, err
		}
	}
	return all, nil
}

// EndPerson ends everything that a person holds.
func (c *Client) EndPerson(ctx context.Context, who, reason string) (ended manage.Ended, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/sessions/revoke", body: map[string]string{"person": who, "reason": reason}}, &ended)
	return ended, err
}

// ForgetPerson drops what is cached about somebody.
func (c *Client) ForgetPerson(ctx context.Context, who, reason string) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/people/forget", body: map[string]string{"who": who, "reason": reason}}, nil)
	return err
}

// RevokeToken ends one access token.
func (c *Client) RevokeToken(ctx context.Context, id, reason string) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/tokens/" + url.PathEscape(id) + "/revoke", body: map[string]string{"reason": reason}}, nil)
	return err
}

// ListKeys lists the signing keys of all replicas.
func (c *Client) ListKeys(ctx context.Context) ([]manage.Key, error) {
	var answer struct {
		Keys []manage.Key `json:"keys"`
	}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/keys"}, &answer)
	return answer.Keys, err
}
