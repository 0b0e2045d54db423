package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"strm/internal/problem"
)

// requireToken lets a request through that bears the admin token. Digests are
// compared, in constant time, so neither the token's bytes nor its length show
// in how long it takes.
func (s *server) requireToken(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(s.AdminToken))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := bearer(r.Header.Get("Authorization"))
		got := sha256.Sum256([]byte(token))
		if same := subtle.ConstantTimeCompare(got[:], want[:]) == 1; !ok || !same || s.AdminToken == "" {
			text := "this needs the admin token: Authorization: Bearer TOKEN"
			if ok {
				text = "the admin token is not the one of this server"
			}
			s.refuse(w, r, problem.New(problem.Unauthorized, "%s", text))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bearer returns the token of an Authorization header. The scheme's case does
// not matter.
func bearer(header string) (string, bool) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}
