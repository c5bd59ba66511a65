//go:build !linux && !darwin && !freebsd

package localpg

import "context"

type claim struct{}

// Start returns ErrUnsupported.
func Start(context.Context, Options) (*Server, error) { return nil, ErrUnsupported }

// Close does nothing.
func (s *Server) Close() error { return nil }
