package tokens

import (
	"testing"
	"time"
)

// A trial grants one made-up repository for a minute, and one that is signed by a key
// of its own is nobody's: who steals it has nothing.
func TestTrialGrantsNothing(t *testing.T) {
	keys, err := Open(Options{Dir: t.TempDir(), LongestTTL: time.Minute, Registries: []Registry{{Service: "S"}}})
	if err != nil {
		t.Fatal(err)
	}
	trial := Trial{Service: "S", Issuer: "I", Audience: "S", Form: FormX5C, IssuedAt: time.Now(), Write: true}
	token, err := keys.Trial(trial)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := keys.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	if len(claims.Access) != 1 || claims.Access[0].Name != TrialRepository || claims.TTL != TrialTTL {
		t.Errorf("a trial says %+v", claims)
	}
	trial.Algorithm = RS256
	if token, err = keys.Trial(trial); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Verify(token); err == nil {
		t.Error("our own verifier accepts a key that was made for one trial")
	}
	if got := len(keys.KeyExpiry()); got != 2 {
		t.Errorf("the trial left keys behind: %d, want the CA and the leaf", got)
	}
	trial.Form = FormKID
	if _, err := keys.Trial(trial); err == nil {
		t.Error("a static key was made for a trial")
	}
}
