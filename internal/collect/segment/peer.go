package segment

import (
	"net/http"
	"net/netip"
	"strings"
)

// trusted reports whether the request came through a proxy that may say for
// whom it asks. Nobody may by default, loopback neither.
func (h *Handler) trusted(r *http.Request) bool {
	return len(h.TrustedProxies) > 0 && h.isProxy(peer(r.RemoteAddr))
}

func (h *Handler) isProxy(a netip.Addr) bool {
	for _, p := range h.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// peer reads an address with or without a port. Of IPv4 in IPv6 it returns the
// IPv4 address; what cannot be read is the zero Addr.
func peer(text string) netip.Addr {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// clientIP returns the address the calls come from, empty if it is not known.
// From the end of the list that the proxies made it is the first that is no
// proxy of ours: what stands before it, anybody can have written.
func (h *Handler) clientIP(r *http.Request) string {
	at := peer(r.RemoteAddr)
	if h.trusted(r) {
		hops := forwarded(r.Header)
		for i := len(hops) - 1; i >= 0 && h.isProxy(at); i-- {
			a := peer(hops[i])
			if !a.IsValid() {
				break
			}
			at = a
		}
	}
	if !at.IsValid() {
		return ""
	}
	return at.String()
}

// forwarded returns the addresses for which proxies asked, the nearest last:
// those of X-Forwarded-For, or without it of Forwarded (RFC 7239).
func forwarded(head http.Header) []string {
	if list := head.Values("X-Forwarded-For"); len(list) > 0 {
		return strings.Split(strings.Join(list, ","), ",")
	}
	var hops []string
	for _, hop := range strings.Split(strings.Join(head.Values("Forwarded"), ","), ",") {
		if v := forwardedParam(hop, "for"); v != "" {
			hops = append(hops, v)
		}
	}
	return hops
}

// forwardedParam returns a parameter of one element of Forwarded.
func forwardedParam(hop, name string) string {
	for _, pair := range strings.Split(hop, ";") {
		if k, v, ok := strings.Cut(pair, "="); ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// reachedAt returns protocol and host, with the path before /v1, under which the
// asker reached this server.
func (h *Handler) reachedAt(r *http.Request) (protocol, host string) {
	if u := h.PublicURL; u != nil {
		return u.Scheme, u.Host + strings.TrimRight(u.EscapedPath(), "/")
	}
	protocol, host = "http", r.Host
	if r.TLS != nil {
		protocol = "https"
	}
	if !h.trusted(r) {
		return protocol, host
	}
	// The first element is what the asker said to the outermost proxy.
	hop, _, _ := strings.Cut(r.Header.Get("Forwarded"), ",")
	said := func(header, param string) string {
		v, _, _ := strings.Cut(r.Header.Get(header), ",")
		if v = strings.TrimSpace(v); v != "" {
			return v
		}
		return forwardedParam(hop, param)
	}
	if v := strings.ToLower(said("X-Forwarded-Proto", "proto")); v == "http" || v == "https" {
		protocol = v
	}
	if v := said("X-Forwarded-Host", "host"); v != "" {
		host = v
	}
	return protocol, host
}
