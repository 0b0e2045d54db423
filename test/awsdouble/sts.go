package awsdouble

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]*$`)
)

// sts answers AssumeRole.
func (c *Cloud) sts(w http.ResponseWriter, r *http.Request, body []byte) {
	by, _, bad := c.authenticate(r, body, "sts")
	if bad == nil {
		var s *session
		if s, bad = c.assume(by, body); bad == nil {
			c.grant(w, s)
			return
		}
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(bad.status)
	var out struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Error   struct{ Type, Code, Message string }
	}
	out.Error.Type, out.Error.Code, out.Error.Message = "Sender", bad.code, bad.text
	write(w, out)
}

func (c *Cloud) assume(by caller, body []byte) (*session, *fault) {
	q, err := url.ParseQuery(string(body))
	if err != nil || q.Get("Action") != "AssumeRole" {
		return nil, &fault{400, "InvalidAction", "only AssumeRole is known here"}
	}
	arn, name, external := q.Get("RoleArn"), q.Get("RoleSessionName"), q.Get("ExternalId")
	seconds, err := strconv.Atoi(q.Get("DurationSeconds"))
	if q.Get("DurationSeconds") == "" {
		seconds, err = 3600, nil
	}
	switch {
	case !sessionName.MatchString(name):
		return nil, &fault{400, "ValidationError", "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint"}
	case q.Has("ExternalId") && (len(external) < 2 || len(external) > 1224 || !externalID.MatchString(external)):
		return nil, &fault{400, "ValidationError", "1 validation error detected: Value at 'externalId' failed to satisfy constraint"}
	case err != nil || seconds < 900 || seconds > 3600:
		return nil, &fault{400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."}
	}
	a := ask{action: "sts:AssumeRole", resource: arn, keys: map[string][]string{}}
	if external != "" {
		a.keys["sts:externalid"] = []string{external}
	}
	role := c.roles[arn]
	if allowed := role != nil && mayByLeave(by, a, role.trust, role.account); !c.decided(by, a, allowed) {
		return nil, &fault{403, "AccessDenied", "User: " + by.arn + " is not authorized to perform: sts:AssumeRole on resource: " + arn}
	}
	c.sessions++
	s := &session{role: role, name: name, n: c.sessions, ends: c.now().Add(min(time.Duration(seconds)*time.Second, c.life))}
	s.AccessKey = AccessKey{ID: fmt.Sprintf("ASIASESS%012d", s.n), Secret: fmt.Sprintf("session/secret+%d", s.n), Token: fmt.Sprintf("IQoJb3JpZ2lu/token+%d==", s.n)}
	c.access[s.ID] = s
	return s, nil
}

func (c *Cloud) grant(w http.ResponseWriter, s *session) {
	var out struct {
		XMLName          xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
		AssumeRoleResult struct {
			AssumedRoleUser struct{ AssumedRoleId, Arn string }
			Credentials     struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
		}
	}
	res := &out.AssumeRoleResult
	res.AssumedRoleUser.AssumedRoleId, res.AssumedRoleUser.Arn = "AROADOUBLE:"+s.name, "arn:aws:sts::"+s.role.account+":assumed-role/"+s.name
	res.Credentials.AccessKeyId, res.Credentials.SecretAccessKey, res.Credentials.SessionToken = s.ID, s.Secret, s.Token
	res.Credentials.Expiration = s.ends.UTC().Format(time.RFC3339Nano)
	w.Header().Set("Content-Type", "text/xml")
	write(w, out)
}

func write(w http.ResponseWriter, v any) {
	b, err := xml.Marshal(v)
	if err != nil {
		panic(err) // a fault of this package
	}
	// A client that has gone hears nothing.
	_, _ = fmt.Fprintf(w, "%s%s", xml.Header, b)
}
