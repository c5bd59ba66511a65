package consent

import (
	"testing"
	"time"

	"vidan/identity"
	"vidan/internal/pgtest"
)

// TestGraphsInTheDatabase holds the statements that change states to the same tables as the code: each pair of states, once.
func TestGraphsInTheDatabase(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	owner, now := db.Owner(t), time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	exec := func(sql string, args ...any) int64 {
		tag, err := db.Pool.Exec(t.Context(), sql, args...)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return tag.RowsAffected()
	}
	for _, row := range table(t, "relation_states.csv") {
		vault, id := identity.NewVaultID(), identity.NewID[identity.RelationID]()
		exec(`insert into relations (vault_id, relation_id, side, state, valid_from, sealed, mac, changed_at) values ($1, $2, 'home', $3, $4, '', 'old', $4)`,
			vault, id, row[0], now)
		moved := exec(sqlMove, vault, id, row[1], nil, nil, []byte{}, []byte("new"), now, []byte("old"))
		if (moved == 1) != (row[2] == "yes") {
			t.Errorf("a relation went from %s to %s: %d", row[0], row[1], moved)
		}
		if late := exec(sqlMove, vault, id, row[1], nil, nil, []byte{}, []byte("newer"), now, []byte("older")); late != 0 {
			t.Error("a relation was changed that is not as it was read")
		}
	}
	for _, row := range table(t, "grant_states.csv") {
		if got := GrantState(row[0]).May(GrantState(row[1])); got != (row[2] == "yes") {
			t.Errorf("%s to %s: %v", row[0], row[1], got)
		}
		vault, id := identity.NewVaultID(), identity.NewID[identity.GrantID]()
		exec(`insert into grants (vault_id, grant_id, request_id, organisation_id, client_id, mode, state, valid_from, valid_until, pinned_documents,
			pinned_revisions, version, sealed, mac, changed_at) values ($1, $2, gen_random_uuid(), 'o', 'c', 'until', $3, $4, $4, '{}', '{}', 1, '', 'old', $4)`, vault, id, row[0], now)
		if late := exec(sqlMoveGrant, vault, id, row[1], 2, []byte("newer"), now, []byte("older")); late != 0 {
			t.Error("a grant was changed that is not as it was read")
		}
		if moved := exec(sqlMoveGrant, vault, id, row[1], 2, []byte("new"), now, []byte("old")); (moved == 1) != (row[2] == "yes") {
			t.Errorf("a grant went from %s to %s: %d", row[0], row[1], moved)
		}
	}
	for _, s := range []string{"active; drop table grants", "", "gone"} {
		if _, err := owner.Exec(t.Context(), `update relations set state = $1`, s); err == nil {
			t.Errorf("the constraint takes %q", s)
		}
	}
}
