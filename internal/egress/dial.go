package egress

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// closed returns the networks that are no part of the public internet although net/netip calls their addresses global unicast (RFC 6890 and its
// registries): "this" network, shared and protocol addresses, benchmarking, documentation, the reserved end; and the forms of IPv6 that carry an
// IPv4 address inside, which would be looked at too late.
func closed() []netip.Prefix {
	return prefixes(
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
		"fec0::/10",
	)
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// open reports whether an address may be connected to (G2).
func (e *Client) open(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	for _, p := range e.private {
		if p.Contains(address) {
			return true
		}
	}
	if !address.IsGlobalUnicast() || address.IsPrivate() { // neither loopback, link-local, multicast nor unspecified
		return false
	}
	for _, p := range e.closed {
		if p.Contains(address) {
			return false
		}
	}
	return true
}

// dial connects to a host of the list: its name is resolved once, each of its addresses is looked at, and those very addresses are dialled.
// The operating system's own word for the connection is looked at once more.
func (e *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, ErrRefused
	}
	found, err := e.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		if !e.open(a) {
			return nil, ErrRefused
		}
	}
	dialer := net.Dialer{Control: func(_, to string, _ syscall.RawConn) error {
		connected, err := netip.ParseAddrPort(to)
		if err != nil || !e.open(connected.Addr()) {
			return ErrRefused
		}
		return nil
	}}
	err = ErrUnreachable
	for _, a := range found {
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (e *Client) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if literal, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{literal}, nil
	}
	found, err := e.resolve.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		return nil, ErrUnreachable
	}
	return found, nil
}
