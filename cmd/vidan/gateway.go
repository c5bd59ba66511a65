package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/delivery"
	"vidan/internal/egress"
)

// openGateway opens the way by which messages reach people. One over the network goes through the one client that leaves this house.
func openGateway(c config, uri string, pool *pgxpool.Pool) (delivery.Gateway, error) {
	if !strings.HasPrefix(uri, "https:") {
		return delivery.OpenGateway(uri, pool)
	}
	out, err := egress.New(egress.Config{Hosts: c.Egress, Private: c.EgressNetworks})
	if err != nil {
		return nil, fmt.Errorf("VIDAN_EGRESS: %w", err)
	}
	secret, err := os.ReadFile(c.GatewaySecret)
	if err != nil {
		return nil, fmt.Errorf("VIDAN_GATEWAY_SECRET_FILE: %w", err)
	}
	door, err := delivery.OpenWebhook(uri, bytes.TrimSuffix(secret, []byte("\n")), out)
	if err != nil {
		return nil, fmt.Errorf("VIDAN_GATEWAY: %w", err)
	}
	return door, nil
}

// releaseHeld sends what was held while there was no gateway. A failure is told and costs nothing: the next start tries again.
func (a *app) releaseHeld(ctx context.Context) {
	if a.release == nil {
		return
	}
	n, err := a.release(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		a.log.WarnContext(ctx, "held messages not released", "error", err.Error())
	case n > 0:
		a.log.InfoContext(ctx, "held messages released", "count", n)
	}
}
