package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"drawbridge/configs"
)

const (
	// maxPages and maxGroups bound what one login may fetch. Graph's pages have at
	// most 999 entries.
	maxPages  = 10
	maxGroups = 4096
	// securityGroups is the request of getMemberGroups and getMemberObjects.
	securityGroups = `{"securityEnabledOnly":true}`
	// pageQuery asks transitiveMemberOf for large pages of IDs.
	pageQuery = "%24select=id&%24top=999"
)

// overage fetches groups that the provider left out of its tokens because they are
// too many (Entra ID's groups overage) from Microsoft Graph. The address is the
// operator's: the one in the token (_claim_sources) is never used, since a token
// must not choose where we send an access token.
type overage struct {
	url  *url.URL
	post bool // getMemberGroups and getMemberObjects, which answer at once
}

// parseOverage returns nil for an empty setting.
func parseOverage(setting string, client *client) (*overage, error) {
	if setting == "" {
		return nil, nil
	}
	if err := client.checkURL(setting); err != nil {
		return nil, err
	}
	u, err := url.Parse(setting)
	if err != nil {
		return nil, err
	}
	kind := configs.OverageKind(u.Path)
	if kind == configs.OverageUnknown || u.RawQuery != "" {
		return nil, fmt.Errorf("%s is not an address of Microsoft Graph that lists somebody's groups", setting)
	}
	return &overage{url: u, post: kind == configs.OverageAction}, nil
}

// fetchOverage returns the IDs of the person's groups, with the access token of the
// login itself: in Graph's addresses "me" is who the token is about. Everything but
// a complete answer is an error, and never fewer groups.
func (c *Connector) fetchOverage(ctx context.Context, accessToken string) ([]any, error) {
	if accessToken == "" {
		return nil, misconfigured("groups overage: the token endpoint issued no access token to fetch the groups with")
	}
	var groups []any
	next := *c.overage.url
	if !c.overage.post {
		next.RawQuery = pageQuery
	}
	for range maxPages {
		page, err := c.overagePage(ctx, next.String(), accessToken)
		if err != nil {
			return nil, fmt.Errorf("groups overage: %w", err)
		}
		groups = append(groups, page.groups...)
		switch {
		case len(groups) > maxGroups:
			return nil, fmt.Errorf("groups overage: the person is in more than %d groups", maxGroups)
		case page.next == "" && len(groups) == 0:
			return nil, errors.New("groups overage: the token tells of too many groups and Graph names none; " +
				"does groups_overage_url list the kind of groups that the application's tokens carry?")
		case page.next == "":
			return groups, nil
		}
		if err := c.overage.follow(&next, page.next); err != nil {
			return nil, fmt.Errorf("groups overage: %w", err)
		}
	}
	return nil, fmt.Errorf("groups overage: the groups do not end after %d pages", maxPages)
}

// follow sets the address of the next page. The access token goes to the origin of
// the setting and nowhere else.
func (o *overage) follow(next *url.URL, link string) error {
	u, err := url.Parse(link)
	switch {
	case o.post:
		return errors.New("the answer comes in pages; use transitiveMemberOf in groups_overage_url")
	case err != nil || u.User != nil || u.Scheme != o.url.Scheme || !strings.EqualFold(u.Host, o.url.Host):
		return errors.New("the next page is said to be on another server, which gets no access token")
	}
	*next = *u
	return nil
}

type overagePage struct {
	groups []any // strings
	next   string
}

// overagePage fetches one page. No error quotes a body or the query of an address.
func (c *Connector) overagePage(ctx context.Context, from, accessToken string) (overagePage, error) {
	method, body := http.MethodGet, ""
	if c.overage.post {
		method, body = http.MethodPost, securityGroups
	}
	req, err := http.NewRequestWithContext(ctx, method, from, strings.NewReader(body))
	if err != nil {
		return overagePage{}, errors.New("the address of the next page is none")
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	if c.overage.post {
		req.Header.Set("Content-Type", "application/json")
	}
	status, _, answer, err := c.provider.client.do(opOverage, req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return overagePage{}, fmt.Errorf("%s: %w", c.overage.url.Host, err)
	}
	if status != http.StatusOK {
		return overagePage{}, overageRefusal(status, answer)
	}
	return parsePage(answer, c.overage.post)
}

// overageRefusal explains another status than 200. Graph's error codes are words.
func overageRefusal(status int, body []byte) error {
	var answer struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // the code is a help and no more
	code := answer.Error.Code
	if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,63}$`).MatchString(code) {
		code = "none"
	}
	err := fmt.Errorf("%w, error code %s", &statusError{status}, code)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return misconfigured("%w: the client needs the delegated permission User.Read of Microsoft Graph, with consent, and User.Read among the scopes", err)
	case code == "Directory_ResultSizeLimitExceeded":
		return fmt.Errorf("%w: use transitiveMemberOf in groups_overage_url", err)
	}
	return err
}

// parsePage reads the value of an OData collection: strings, or objects with an id.
func parsePage(body []byte, ids bool) (overagePage, error) {
	var answer struct {
		Value *[]json.RawMessage `json:"value"`
		Next  string             `json:"@odata.nextLink"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Value == nil {
		return overagePage{}, errNotJSON
	}
	page := overagePage{next: answer.Next}
	for _, raw := range *answer.Value {
		var id string
		if ids {
			if json.Unmarshal(raw, &id) != nil {
				return overagePage{}, errNotJSON
			}
		} else {
			var group struct {
				ID string `json:"id"`
			}
			if json.Unmarshal(raw, &group) != nil {
				return overagePage{}, errNotJSON
			}
			id = group.ID
		}
		if id == "" {
			return overagePage{}, errNotJSON
		}
		page.groups = append(page.groups, id)
	}
	return page, nil
}
