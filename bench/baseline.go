package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Baseline returns a handler that does the least any token server does: it signs
// header and claims of the given token with ES256 and answers as the token
// endpoint does. It reads nothing of the request, decides nothing and logs
// nothing.
func Baseline(token string) (http.Handler, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("the token has not three parts")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signed := parts[0] + "." + parts[1]
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		token, err := signES256(key, signed)
		if err != nil {
			http.Error(w, "cannot sign", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = fmt.Fprintf(w, `{"token":"%[1]s","access_token":"%[1]s","expires_in":300,"scope":""}`, token)
	}), nil
}

// Empty returns a handler that does the least any forward-auth server does: it
// answers 200.
func Empty() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
	})
}

// signES256 appends the signature of RFC 7518, section 3.4: r and s, 32 bytes
// each.
func signES256(key *ecdsa.PrivateKey, signed string) (string, error) {
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", err
	}
	var raw [64]byte
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(raw[:]), nil
}
