package tokens

import (
	"fmt"
	"time"
)

// TrialRepository is the only repository that a [Trial] can be for. No policy needs
// to grant it, and nobody keeps images there.
const TrialRepository = "drawbridge-doctor/trial"

// TrialTTL is how long a trial is good for, unless it is Wide.
const TrialTTL = time.Minute

// trialWidth is how far the times of a wide trial lie on both sides of its issue.
const trialWidth = 24 * time.Hour

// Trial is a token by which `drawbridge doctor` finds out why a registry refuses
// ours: the same token with one thing changed, until one is accepted.
type Trial struct {
	// Service chooses the static key, and is otherwise not in the token.
	Service  string
	Issuer   string
	Audience string
	Form     string    // FormX5C or FormKID
	IssuedAt time.Time // the true moment, as in [Claims]
	// Algorithm other than that of the signing keys asks for a key that is made for
	// this one token, under our CA. Nobody is told of it: our own /verify refuses it.
	Algorithm Algorithm
	// Wide has the token begin a day ago and end in a day, which a registry accepts
	// whose clock is wrong.
	Wide bool
	// Write is for an upload, which is begun and cancelled. A wide trial only reads.
	Write bool
}

// Trial signs the token. It grants nothing but [TrialRepository], whatever is asked,
// so that who reads it on the way has nothing.
func (k *Keys) Trial(t Trial) (string, error) {
	s, err := k.trialSigner(t)
	if err != nil {
		return "", err
	}
	id, err := NewID(k.opts.Rand, t.IssuedAt)
	if err != nil {
		return "", err
	}
	actions := []string{"pull"}
	if t.Write && !t.Wide {
		actions = []string{"pull", "push", "delete"}
	}
	claims := Claims{
		Issuer: t.Issuer, Audience: t.Audience, Subject: "drawbridge-doctor", ID: id, IssuedAt: t.IssuedAt, TTL: TrialTTL,
		Access: []Access{{Type: "repository", Name: TrialRepository, Actions: actions}},
	}
	if t.Wide {
		claims.IssuedAt, claims.TTL = t.IssuedAt.Add(-trialWidth), 2*trialWidth
	}
	payload, err := claims.encode()
	if err != nil {
		return "", fmt.Errorf("encode a trial: %w", err)
	}
	return s.sign(payload, MaxTokenBytes)
}

// trialSigner is the key in force where there is one of the form and the algorithm,
// else one that is forgotten after the trial.
func (k *Keys) trialSigner(t Trial) (*signer, error) {
	now := k.state.Load()
	s := now.leaf
	if t.Form == FormKID && now.statics[t.Service] != nil {
		s = now.statics[t.Service]
	}
	if t.Algorithm == "" || s != nil && t.Algorithm == s.alg {
		if s == nil {
			return nil, fmt.Errorf("there is no key yet that signs for %q: start the server once", t.Service)
		}
		if t.Form == FormKID {
			return newSigner(s.key, nil)
		}
		return s, nil
	}
	if now.ring.authority.direct || t.Form == FormKID {
		return nil, fmt.Errorf("no %s key can be made here", t.Algorithm)
	}
	opts := k.opts
	opts.Algorithm = t.Algorithm
	return issueLeaf(now.ring.authority, opts)
}
