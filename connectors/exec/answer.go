package exec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"drawbridge/connectors"
	"drawbridge/identity"
)

// Bounds of an answer, in bytes.
const (
	maxAnswer  = 1 << 20 // all of it
	maxName    = 256     // one name, mail address or ID
	maxMessage = 256     // what of a message is logged
)

// errAnswer marks an answer that breaks the protocol. What it says is never in
// the error: a program that repeats the request would put the password into the
// log.
var errAnswer = errors.New("the program's answer breaks the protocol")

func answerError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errAnswer, fmt.Sprintf(format, args...))
}

// answer is what a program says, checked.
type answer struct {
	id       uint64
	outcome  connectors.Kind
	reason   connectors.Reason // of a denial
	message  string            // of unavailable and misconfigured
	identity identity.Identity // of a grant
	version  string            // of a grant: changes with the password
}

// reasons are the ones that a program may give: all but those that are the
// chain's or the token endpoint's word.
func reasons() []connectors.Reason {
	return []connectors.Reason{
		connectors.WrongPassword, connectors.UnknownOrWrong, connectors.AccountDisabled, connectors.AccountExpired,
		connectors.AccountLocked, connectors.PasswordExpired, connectors.MustChange, connectors.Ambiguous,
		connectors.LoginRestricted, connectors.InteractionNeeded, connectors.BadUsername, connectors.BadPassword,
	}
}

// parseAnswer reads one JSON object. It is stricter than encoding/json, which
// takes the last of two equal keys and does not mind their case: a program that
// pastes a username into its answer without escaping must not be led to grant
// somebody else's groups.
func parseAnswer(text []byte) (answer, error) {
	var a answer
	if len(text) > maxAnswer {
		return a, answerError("it is over %d bytes", maxAnswer)
	}
	if !utf8.Valid(text) {
		return a, answerError("it is not UTF-8")
	}
	keys, err := object(text, "version", "id", "outcome", "reason", "message", "identity")
	if err != nil {
		return a, err
	}
	var version int
	var outcome string
	if err := errors.Join(need(keys, "version", &version), need(keys, "id", &a.id), need(keys, "outcome", &outcome)); err != nil {
		return a, err
	}
	if version != Version {
		return a, answerError("its version is %d and not %d", version, Version)
	}
	if err := a.setOutcome(outcome); err != nil {
		return a, err
	}
	return a, a.readRest(keys)
}

func (a *answer) setOutcome(text string) error {
	for _, k := range []connectors.Kind{
		connectors.KindGranted, connectors.KindNotMine, connectors.KindDenied, connectors.KindUnavailable, connectors.KindMisconfigured,
	} {
		if k.String() == text {
			a.outcome = k
			return nil
		}
	}
	return answerError("its outcome is none of the five")
}

// readRest reads the keys that belong to the outcome and refuses those of
// another one: a denial that comes with an identity is a muddle, not a denial.
func (a *answer) readRest(keys map[string]json.RawMessage) error {
	belongs, required := "message", false
	switch a.outcome {
	case connectors.KindGranted:
		belongs, required = "identity", true
	case connectors.KindDenied:
		belongs, required = "reason", true
	case connectors.KindNotMine:
		belongs = ""
	default:
	}
	for _, key := range []string{"reason", "message", "identity"} {
		_, there := keys[key]
		if there && key != belongs {
			return answerError("the outcome %s has no %s", a.outcome, key)
		}
		if !there && key == belongs && required {
			return answerError("the outcome %s needs the %s", a.outcome, key)
		}
	}
	if _, there := keys[belongs]; !there {
		return nil
	}
	switch belongs {
	case "identity":
		return a.readIdentity(keys["identity"])
	case "message":
		return need(keys, "message", &a.message)
	}
	if err := need(keys, "reason", &a.reason); err != nil {
		return err
	}
	if !slices.Contains(reasons(), a.reason) {
		return answerError("its reason is none that a program may give")
	}
	return nil
}

func (a *answer) readIdentity(text json.RawMessage) error {
	keys, err := object(text, "name", "groups", "mail", "stable_id", "credential_version")
	if err != nil {
		return err
	}
	who := identity.Identity{Kind: identity.User}
	if err := need(keys, "name", &who.Name); err != nil {
		return err
	}
	for key, into := range map[string]any{
		"groups": &who.Groups, "mail": &who.Mail, "stable_id": &who.StableID, "credential_version": &a.version,
	} {
		if _, there := keys[key]; !there {
			continue
		}
		if err := need(keys, key, into); err != nil {
			return err
		}
	}
	if who.Name == "" || slices.Contains(who.Groups, "") {
		return answerError("a name is empty")
	}
	for _, name := range append([]string{who.Name, who.Mail, who.StableID, a.version}, who.Groups...) {
		if len(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
			return answerError("a name is over %d bytes or holds a control character", maxName)
		}
	}
	who.Groups = identity.NormalizeGroups(who.Groups)
	a.identity = who
	return nil
}

// object splits one JSON object into its keys, each of them allowed and there
// once, and nothing after it.
func object(text []byte, allowed ...string) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return nil, answerError("it is not a JSON object")
	}
	keys := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, answerError("it is not JSON")
		}
		if !slices.Contains(allowed, key) {
			return nil, answerError("it has a key that version %d does not know", Version)
		}
		if _, twice := keys[key]; twice {
			return nil, answerError("the key %s is there twice", key)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, answerError("it is not JSON")
		}
		keys[key] = value
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, answerError("it is not JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, answerError("there is something after the JSON object")
	}
	return keys, nil
}

// need reads a key that must be there, of the right type and not null.
func need(keys map[string]json.RawMessage, key string, into any) error {
	value, there := keys[key]
	if !there {
		return answerError("the key %s is missing", key)
	}
	if string(value) == "null" {
		return answerError("the key %s is null", key)
	}
	if err := json.Unmarshal(value, into); err != nil {
		return answerError("the key %s has the wrong type", key)
	}
	return nil
}
