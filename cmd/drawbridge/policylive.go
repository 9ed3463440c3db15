package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"drawbridge/authz/revisions"
	"drawbridge/bridge"
	"drawbridge/store"
	"drawbridge/store/feed"
)

// oldPolicyName is where versions before the store kept the policy. It becomes the
// first revision and is not read again.
const oldPolicyName = "policy.yaml"

// policyPatience is how long a policy that could not be loaded waits for the next
// attempt.
const policyPatience = time.Second

// lastPolicyName is the copy, in the data directory, of the revision that was in
// force last: what a process starts with while the store does not answer.
const lastPolicyName = "policy.last.json"

// lastPolicy is what the copy holds.
type lastPolicy struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// openPolicy returns the source of the policy and what it holds now. In a store
// without one it makes the first revision. While the store does not answer it is
// the revision that was in force here last; without one every request is told to
// come back. followPolicy gets the newest one later.
func (a *app) openPolicy(ctx context.Context) (*policySource, bridge.Revision, error) {
	source := &policySource{file: a.cfg.Policy.File, opts: compileOptions(a.cfg)}
	if source.file != "" {
		revision, err := source.load(ctx)
		return source, revision, err
	}
	source.store = a.store
	err := a.firstPolicy(ctx, source)
	if err == nil {
		var revision bridge.Revision
		if revision, err = source.load(ctx); err == nil {
			return source, revision, nil
		}
	}
	if !errors.Is(err, store.ErrUnavailable) {
		return nil, bridge.Revision{}, err
	}
	revision, copyErr := a.readLastPolicy(source)
	if copyErr != nil {
		a.log.Warn("the store does not answer and no copy of its policy is here: nobody gets a token until it does", "error", copyErr)
	} else {
		a.log.Warn("the store does not answer: the policy is the one that was in force here last", "revision", revision.ID)
	}
	return source, revision, nil
}

func (a *app) readLastPolicy(source *policySource) (bridge.Revision, error) {
	data, err := os.ReadFile(filepath.Join(a.cfg.DataDir, lastPolicyName))
	if err != nil {
		return bridge.Revision{}, err
	}
	var last lastPolicy
	if err := json.Unmarshal(data, &last); err != nil {
		return bridge.Revision{}, err
	}
	policy, err := source.compile("policy", []byte(last.Text))
	return bridge.Revision{ID: last.ID, Policy: policy, Text: last.Text}, err
}

// keepLastPolicy writes the copy. That it cannot be written is no reason to refuse
// the policy.
func (a *app) keepLastPolicy(r bridge.Revision) {
	if a.cfg.Policy.File != "" || r.Policy == nil {
		return
	}
	data, err := json.Marshal(lastPolicy{r.ID, r.Text})
	file := filepath.Join(a.cfg.DataDir, lastPolicyName)
	if err == nil {
		err = os.WriteFile(file+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		a.log.Warn("no copy of the policy is kept for a start without the store", "error", err)
	}
}

// firstPolicy saves the first revision into an empty store: the document that an
// earlier version kept in the data directory, or the one for a first start.
func (a *app) firstPolicy(ctx context.Context, source *policySource) error {
	newest, err := a.store.NewestPolicy(ctx)
	if err != nil || newest.Number > 0 {
		return err
	}
	first := revisions.Revision{
		Number: 1, Text: defaultPolicy(a.cfg), Author: "drawbridge", Reason: "first start", At: time.Now().UTC(),
	}
	file := filepath.Join(a.cfg.DataDir, oldPolicyName)
	switch old, err := os.ReadFile(file); { //nolint:gosec // in data_dir
	case err == nil:
		if _, err := source.compile(file, old); err != nil {
			return fmt.Errorf("the policy now lives in the store, and this one cannot be taken over: %w", err)
		}
		first.Text, first.Reason = string(old), "taken over from "+oldPolicyName+" in the data directory"
		a.log.Info("the policy now lives in the store; the file is not read again", "file", file)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	err = a.store.AppendPolicy(ctx, first)
	if stale := (*revisions.Stale)(nil); errors.As(err, &stale) {
		return nil // another replica was faster
	}
	return err
}

// followPolicy puts saved revisions in force as the feed announces them, until ctx
// ends.
func (a *app) followPolicy(ctx context.Context, source *policySource) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.policySaved:
		}
		for ctx.Err() == nil {
			err := a.loadPolicy(ctx, source)
			if err == nil {
				break
			}
			a.log.Error("the saved policy could not be put in force; trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(policyPatience):
			}
		}
	}
}

func (a *app) loadPolicy(ctx context.Context, source *policySource) error {
	if source.store == nil {
		return nil // a file, which is watched
	}
	// The store may have been down at the start.
	if err := a.firstPolicy(ctx, source); err != nil {
		return err
	}
	if err := a.reloads.policyAgain(); err != nil {
		return err
	}
	a.keepLastPolicy(a.bridge.Policy())
	return nil
}

// announcePolicies has followPolicy woken by the feed.
func (a *app) announcePolicies() {
	a.policySaved = make(chan struct{}, 1)
	wake := func() {
		select {
		case a.policySaved <- struct{}{}:
		default: // it is awake
		}
	}
	a.feed.On(feed.PolicyChanged, func(feed.Change) { wake() })
	wake() // the store may have been down, or have changed since it was asked
}
