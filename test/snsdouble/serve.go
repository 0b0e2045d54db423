package snsdouble

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// token is what confirms a subscription, once.
type token struct {
	topic string
	arn   string // of the subscription
	used  bool
}

// serveProxy opens a tunnel to the double for exactly one name, and shows
// requests for any other by refusing them.
func (d *Double) serveProxy(w http.ResponseWriter, r *http.Request) {
	ok := r.Method == http.MethodConnect && r.Host == d.Host()+":443"
	d.note("connect", r.Host, ok)
	if !ok {
		http.Error(w, "this proxy leads to "+d.Host()+":443 only", http.StatusForbidden)
		return
	}
	to, err := new(net.Dialer).DialContext(r.Context(), "tcp", d.webAt)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = to.Close()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if !d.track(from, to) {
		return
	}
	_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n") // if it fails, the tunnel ends at once
	d.pump(from, to, buffered)
}

// track keeps a tunnel for Close, which waits for its end. It closes the tunnel
// if the double is closed already.
func (d *Double) track(ends ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range ends {
		if d.closed {
			_ = c.Close() // nobody listens
			continue
		}
		d.tunnels[c] = struct{}{}
	}
	if !d.closed {
		d.wait.Add(1)
	}
	return !d.closed
}

// pump carries bytes both ways until an end closes. It holds the count that
// track took.
func (d *Double) pump(from, to net.Conn, buffered io.Reader) {
	defer d.wait.Done()
	var both sync.WaitGroup
	half := func(dst net.Conn, src io.Reader) {
		defer both.Done()
		_, _ = io.Copy(dst, src) // ends when either end does
		_ = from.Close()
		_ = to.Close()
	}
	both.Add(2)
	go half(to, buffered)
	go half(from, to)
	both.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.tunnels, from)
	delete(d.tunnels, to)
}

// serveWeb is SNS's own web server.
func (d *Double) serveWeb(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/SimpleNotificationService-"):
		d.serveCertificate(w, r)
	case r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.Query().Get("Action") == "ConfirmSubscription":
		d.confirm(w, r.URL.Query().Get("TopicArn"), r.URL.Query().Get("Token"))
	default:
		d.note("other", r.Method+" "+r.URL.Path, false)
		http.NotFound(w, r)
	}
}

func (d *Double) serveCertificate(w http.ResponseWriter, r *http.Request) {
	name := Missing
	for _, c := range []Certificate{Good, Expired, Future, Rogue, OtherName, Elliptic, NoPEM, Redirected, Huge, Hanging} {
		if r.URL.Path == certPath(c) {
			name = c
		}
	}
	d.note("certificate", r.URL.Path, name == Good)
	switch name {
	case Missing:
		http.NotFound(w, r)
	case Redirected:
		http.Redirect(w, r, certPath(Good), http.StatusFound)
	case Hanging:
		select {
		case <-d.hang:
		case <-r.Context().Done():
		}
	case Good, Expired, Future, Rogue, OtherName, Elliptic, NoPEM, Huge:
		_, _ = w.Write(d.ca.pems[name]) // whoever hangs up has seen enough
	}
}

func (d *Double) confirm(w http.ResponseWriter, topic, name string) {
	d.mu.Lock()
	t, known := d.tokens[name]
	ok := known && t.topic == topic && !t.used
	if ok {
		t.used = true
		d.tokens[name] = t
	}
	d.mu.Unlock()
	d.note("confirm", topic, ok)
	w.Header().Set("Content-Type", "text/xml")
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>Invalid parameter: Token</Message></Error><RequestId>r</RequestId></ErrorResponse>`)
		return
	}
	_, _ = fmt.Fprintf(w, `<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><ConfirmSubscriptionResult><SubscriptionArn>%s</SubscriptionArn></ConfirmSubscriptionResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></ConfirmSubscriptionResponse>`, t.arn)
}

// Confirmed reports whether the token of a Message was used to confirm.
func (d *Double) Confirmed(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tokens[name].used
}
