package auth

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/seal"
)

// offline is a server that knows one client and never reaches a database: for fuzzing and for measuring what is pure.
type offline struct {
	*Server
	agency *agency
}

func newOffline(tb testing.TB) *offline {
	tb.Helper()
	d := newDeployment(tb)
	at := time.Date(2026, 11, 23, 8, 30, 15, 0, time.UTC)
	keys := &Keys{deployment: d}
	var rows []signingRow
	for _, p := range purposes {
		private, public, err := newSigningJWK()
		if err != nil {
			tb.Fatal(err)
		}
		row := signingRow{KID: public.KID(), Purpose: p, State: keyActive, Created: at, Changed: at}
		if row.Sealed, err = d.Seal(seal.Signing, row.place(), private); err != nil {
			tb.Fatal(err)
		}
		rows = append(rows, row)
	}
	set, err := keys.open(rows, at)
	if err != nil {
		tb.Fatal(err)
	}
	keys.set.Store(set)
	nowhere, err := pgxpool.New(tb.Context(), "postgres://nobody@127.0.0.1:1/nothing")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nowhere.Close)
	s, err := New(Deps{Pool: nowhere, Deployment: d, Keys: keys, Issuer: testIssuer, Now: func() time.Time { return at }})
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{Server: s, tb: tb, clock: &clock{at: at}}
	a := &agency{w: w, id: "motcua", key: newSender(tb, jose.ES256, "motcua-1"), dpop: newSender(tb, jose.ES256, "")}
	key := a.key.key(tb)
	s.clients.entries.Set(a.id, &client{
		clientRow: clientRow{ID: a.id, Organisation: "ubnd-phuong-sen", Profile: FAPI2, State: stateActive, Scopes: machineScopes},
		sector:    "ubnd-phuong-sen", loaded: at,
		keys: map[string]*clientKey{key.KID(): {clientKeyRow: clientKeyRow{Client: a.id, KID: key.KID(), State: stateActive}, public: key}},
	})
	return &offline{Server: s, agency: a}
}
