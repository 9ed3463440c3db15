package ldap

import (
	"context"
	"errors"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// pageSize is how many groups one answer may hold. Active Directory gives no more
// than 1000 at a time, and without the paging control it ends there with an error.
const pageSize = 1000

// maxPages bounds the answers to one search. A page may be empty and not the
// last, so that counting groups alone would go on for ever.
const maxPages = 64

var errPaging = errors.New("the directory does not come to the end of its pages")

// searchPages runs the search page by page (RFC 2696), on one connection, which is
// what the cookie belongs to. A server that knows no paging ignores the control
// and answers at once. Each page is a fresh
// request: go-ldap's own loop changes the caller's.
func (w *worker) searchPages(ctx context.Context, ph phase, req ldap3.SearchRequest) ([]*ldap3.Entry, error) {
	var all []*ldap3.Entry
	var cookie []byte
	for pages := 0; ; {
		paging := ldap3.NewControlPaging(pageSize)
		paging.SetCookie(cookie)
		req.Controls = []ldap3.Control{paging}
		entries, controls, err := w.searchOnce(ctx, ph, req)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
		if len(all) > maxGroups {
			return nil, errTooManyGroups
		}
		next := pageCookie(controls)
		if len(next) == 0 {
			return all, nil
		}
		if pages++; pages == maxPages {
			return nil, errPaging
		}
		cookie = next
	}
}

// pageCookie returns where the next page begins; empty after the last one.
func pageCookie(controls []ldap3.Control) []byte {
	for _, control := range controls {
		if paging, ok := control.(*ldap3.ControlPaging); ok {
			return paging.Cookie
		}
	}
	return nil
}
