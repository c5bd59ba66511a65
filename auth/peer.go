package auth

import (
	"net"
	"net/http"
	"net/netip"
)

// Peer is the other end of the connection, without its port; of an IPv6 address the network that one subscriber has (/64). Behind a proxy
// that is the proxy, so that a deployment with one must say how it names who is before it.
func Peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	address = address.Unmap().WithZone("")
	if address.Is6() {
		if network, err := address.Prefix(64); err == nil {
			return network.Masked().String()
		}
	}
	return address.String()
}
