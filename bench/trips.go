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
// the round trips of a request, and what differs between the statements of the server and of the floor (B4). What a request sends the first time,
// or every few seconds, is not what most of them send.
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
		n, statements, err := watch(ctx, w, second.addr, calls)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", o.name, err)
		}
		trips[o.name] = n
		s.say("%s: %d round trips, %d statements", o.name, n, len(statements))
		drift += difference(o.name, statements, slices.Concat(answer.Statements[o.name]...))
	}
	return trips, drift, nil
}

// watch sends the calls one after the other and returns what most of the last of them sent.
func watch(ctx context.Context, w *wire, addr string, calls []call) (int, []string, error) {
	type sent struct {
		trips      int
		statements []string
	}
	var all []sent
	w.take()
	_, err := drive(ctx, addr, 1, calls, func(i int, _ []byte) error {
		trips, statements := w.take()
		if i >= len(calls)-sampled {
			all = append(all, sent{trips, statements})
		}
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	most, often := sent{}, 0
	for _, s := range all {
		n := 0
		for _, other := range all {
			if s.trips == other.trips && slices.Equal(s.statements, other.statements) {
				n++
			}
		}
		if n > often {
			most, often = s, n
		}
	}
	return most.trips, slices.DeleteFunc(most.statements, framing), nil
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
		fmt.Fprintf(&out, "%s: only the floor sends %s\n", name, strings.Join(strings.Fields(sql), " "))
	}
	return out.String()
}
