package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge/manage"
)

// pageSize is how much of a list is asked for at once.
const pageSize = 500

// Policy returns the revision in force with its text.
func (c *Client) Policy(ctx context.Context) (r revisions.Revision, err error) {
	_, err = c.do(ctx, call{method: http.MethodGet, path: "/policy"}, &r)
	return r, err
}

// Revision returns one revision with its text.
func (c *Client) Revision(ctx context.Context, number int64) (r revisions.Revision, err error) {
	_, err = c.do(ctx, call{method: http.MethodGet, path: fmt.Sprintf("/policy/revisions/%d", number)}, &r)
	return r, err
}

// Revisions returns at most limit revisions from the newest on.
func (c *Client) Revisions(ctx context.Context, limit int) ([]revisions.Revision, error) {
	list := []revisions.Revision{}
	query := url.Values{}
	for len(list) < limit {
		query.Set("limit", strconv.Itoa(min(limit-len(list), pageSize)))
		var page struct {
			Revisions []revisions.Revision `json:"revisions"`
			Next      string               `json:"next"`
		}
		if _, err := c.do(ctx, call{method: http.MethodGet, path: "/policy/revisions", query: query}, &page); err != nil {
			return nil, err
		}
		list = append(list, page.Revisions...)
		if page.Next == "" {
			break
		}
		query.Set("cursor", page.Next)
	}
	return list, nil
}

// Diff returns what a revision changed.
func (c *Client) Diff(ctx context.Context, number int64) (string, error) {
	var answer struct {
		Diff string `json:"diff"`
	}
	_, err := c.do(ctx, call{method: http.MethodGet, path: fmt.Sprintf("/policy/revisions/%d/diff", number)}, &answer)
	return answer.Diff, err
}

// Plan says what a draft would change.
func (c *Client) Plan(ctx context.Context, text string) (plan manage.Plan, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/policy/plan", body: map[string]string{"text": text}}, &plan)
	return plan, err
}

// Hygiene says what the policy in force can do without.
func (c *Client) Hygiene(ctx context.Context) (found manage.Hygiene, err error) {
	_, err = c.do(ctx, call{method: http.MethodGet, path: "/policy/hygiene"}, &found)
	return found, err
}

// SavePolicy puts a document in force.
func (c *Client) SavePolicy(ctx context.Context, draft revisions.Draft) (revisions.Revision, error) {
	return c.saved(ctx, draft, call{
		method: http.MethodPut, path: "/policy", body: map[string]string{"text": draft.Text, "reason": draft.Reason},
	})
}

// RollBack puts the text of an earlier revision in force again.
func (c *Client) RollBack(ctx context.Context, number int64, draft revisions.Draft) (revisions.Revision, error) {
	return c.saved(ctx, draft, call{
		method: http.MethodPost, path: "/policy/rollback", body: map[string]any{"revision": number, "reason": draft.Reason},
	})
}

// saved sends a draft. The server answers with the revision in force where that has
// the text already.
func (c *Client) saved(ctx context.Context, draft revisions.Draft, call call) (r revisions.Revision, err error) {
	call.match = strconv.Quote((revisions.Revision{Number: draft.Base}).ID())
	_, err = c.do(ctx, call, &r)
	if err == nil && r.Number == draft.Base {
		err = revisions.ErrUnchanged
	}
	return r, err
}

// question is a question as a query.
func question(q manage.Question) url.Values {
	values := url.Values{"actions": {q.Actions}}
	for name, value := range map[string]string{"who": q.Who, "registry": q.Registry, "repository": q.Repository} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if len(q.Groups) > 0 {
		values["group"] = q.Groups
	}
	return values
}

// Explain says whether somebody may do something, and why.
func (c *Client) Explain(ctx context.Context, q manage.Question) (e authz.Explanation, err error) {
	_, err = c.do(ctx, call{method: http.MethodGet, path: "/access/explain", query: question(q)}, &e)
	return e, err
}

// WhoCan lists the subjects that are granted any of the actions.
func (c *Client) WhoCan(ctx context.Context, q manage.Question) ([]authz.Holder, error) {
	var answer struct {
		Holders []authz.Holder `json:"holders"`
	}
	q.Who, q.Groups = "", nil
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/access/who-can", query: question(q)}, &answer)
	return answer.Holders, err
}

// List returns the bindings that name somebody.
func (c *Client) List(ctx context.Context, who string, groups []string) (access manage.Access, err error) {
	query := url.Values{"who": {who}}
	if len(groups) > 0 {
		query["group"] = groups
	}
	_, err = c.do(ctx, call{method: http.MethodGet, path: "/access/list", query: query}, &access)
	return access, err
}
