package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vidan/bench/floor"
)

// sampled is how many requests of each operation are watched on the wire; before them each standing request is filled once.
const sampled = 15

// countTrips has a second server, on the same database but behind the wire, answer a few requests of each operation, one at a time. It returns
// the round trips of a request, and what differs between the statements of the server and of the floor (B4).
func (s *stage) countTrips(ctx context.Context) (trips map[string]int, drift string, err error) {
	w, through, err := listenWire(s.Folder, s.database.DSN("", ""))
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	second, err := startServer(ctx, s.Binary, addr, []string{"serve", "--sandbox"}, append(s.settings(),
		"DATABASE_URL="+through, "VIDAN_KEK="+s.key(), "VIDAN_ISSUER="+s.server.issuer))
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, second.stop()) }()
	answer, err := s.floor.ask(floor.Order{Operation: floor.OrderStatements})
	if err != nil {
		return nil, "", err
	}
	trips = map[string]int{}
	for _, o := range operations() {
		calls, err := o.prepare(s.world, ctx, s.few(maxGrants)+sampled)
		if err != nil {
			return nil, "", err
		}
		m := meter{admin: s.admin}
		if err := m.settled(ctx); err != nil {
			return nil, "", err
		}
		var statements []string
		err = m.holding(ctx, func() (err error) {
			trips[o.name], statements, err = watch(ctx, w, second.addr, calls)
			return err
		})
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", o.name, err)
		}
		s.say("%s: %d round trips, %d statements", o.name, trips[o.name], len(statements))
		drift += difference(o.name, statements, slices.Concat(answer.Statements[o.name]...))
	}
	return trips, drift, nil
}

// watch sends the calls one after the other and returns what the last of them sent: the one that sent least, because what the server does
// beside goes over the same wire, and so does what is asked once every few seconds.
func watch(ctx context.Context, w *wire, addr string, calls []call) (least int, statements []string, err error) {
	w.take()
	_, err = drive(ctx, addr, 1, calls, func(i int, _ []byte) error {
		trips, sent := w.take()
		if n := len(calls) - sampled; i == n || i > n && len(sent) < len(statements) {
			least, statements = trips, sent
		}
		return nil
	})
	return least, slices.DeleteFunc(statements, framing), err
}

// framing reports a statement that only begins or ends a transaction.
func framing(sql string) bool {
	word, _, _ := strings.Cut(sql, " ")
	return word == "begin" || word == "commit"
}

// difference says what the floor of an operation lacks, and what it has too much.
func difference(name string, server, floor []string) string {
	var out strings.Builder
	for _, sql := range server {
		if at := slices.Index(floor, sql); at >= 0 {
			floor = slices.Delete(slices.Clone(floor), at, at+1)
		} else {
			fmt.Fprintf(&out, "%s: only the server sends %s\n", name, strings.Join(strings.Fields(sql), " "))
		}
	}
	for _, sql := range floor {
		if strings.Contains(sql, "from vault_keys") {
			continue // keys are read by whichever request first finds none in memory: the watched one may find them
		}
		fmt.Fprintf(&out, "%s: only the floor sends %s\n", name, strings.Join(strings.Fields(sql), " "))
	}
	return out.String()
}
