package floor

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Names of the floor's own rows.
const (
	organisation     = "floor"
	client           = "floor-client"
	app              = "floor-app"
	kid              = "k1"
	birthCertificate = "birth_certificate"
	prfKey           = int32(1)
	macLength        = 37
	wrappedLength    = 146
	readers          = 2
	couples          = 200
)

// rows are what the operations find: ids and digests as the server's, values that nobody reads as random bytes.
type rows struct {
	now                       time.Time
	clientMAC, keyMAC, appMAC []byte
	sessionMAC                []byte
	portal                    portal
	receipt                   string
	readers                   []reader
	children                  []child
	couples                   [][2]someone
	family                    [2]member
	tags                      [][]byte
	scope                     []byte
	requests                  []request
}

type reader struct{ vault, session, document [16]byte }

type someone struct {
	vault  [16]byte
	digest []byte
}

type child struct {
	someone
	document [16]byte
}

type member struct {
	someone
	documents [][16]byte
}

type request struct {
	id     [16]byte
	grants [2][16]byte
}

// child is the one whose paper the i-th run stores; when everybody has one, they get another.
func (f *Floor) child(i int64) child {
	n := int64(len(f.children))
	c := f.children[i%n]
	binary.BigEndian.PutUint32(c.document[12:], uint32(i/n))
	return c
}

func (f *Floor) parents(i int64) (mother, father someone) {
	c := f.couples[i%int64(len(f.couples))]
	return c[0], c[1]
}

// bytes are n bytes that stand for a sealed value: they are not compressed by PostgreSQL either.
func (f *Floor) bytes(n int) []byte { return f.text[:n] }

// digest is a fresh one.
func (f *Floor) digest() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// slot is where a proof of now is kept.
func (f *Floor) slot() int16 { return int16((time.Now().Unix()/60 + 1) % 16) }

func random() [16]byte { return uuid.New() }

// ordered is an id whose order is that of time: index pages stay warm (RFC 9562 §5.7).
func ordered() [16]byte { return uuid.Must(uuid.NewV7()) }

// record are the arguments of one row of the record.
func (f *Floor) record(vault [16]byte, kind string, by any) []any {
	now := time.Now().UTC()
	return []any{vault, month(now), ordered(), now, kind, by, f.bytes(32), f.bytes(recordLength + 33)}
}

func month(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

// table is rows for one table.
type table struct {
	name    string
	columns []string
	rows    [][]any
}

func (f *Floor) seed(ctx context.Context, s Spec) error {
	f.now = time.Now().UTC()
	f.clientMAC, f.keyMAC, f.appMAC, f.scope = f.digest(), f.digest(), f.digest(), f.digest()
	f.sessionMAC = f.bytes(macLength)
	f.receipt = fmt.Sprintf("%x", f.bytes(receiptLength/2))
	tables := f.directory()
	people := table{"people", []string{"vault_id", "level", "kind", "life", "sealed_profile", "created_at", "changed_at"}, nil}
	vaults := table{"vaults", []string{"vault_id", "created_at"}, nil}
	keys := table{"vault_keys", []string{"vault_id", "purpose", "keyset_id", "kek_epoch", "state", "wrapped", "created_at"}, nil}
	identifiers := table{"identifiers", []string{"prf_key_id", "digest", "vault_id", "kind", "state", "valid_from", "evidence", "sealed", "mac"}, nil}
	enrol := func() someone {
		p := someone{random(), f.digest()}
		vaults.rows = append(vaults.rows, []any{p.vault, f.now})
		people.rows = append(people.rows, []any{p.vault, int16(2), "citizen", "alive", f.bytes(profileLength + 33), f.now, f.now})
		for _, purpose := range []string{"content", "record", "tag"} {
			keys.rows = append(keys.rows, []any{p.vault, purpose, random(), int32(1), "active", f.bytes(wrappedLength), f.now})
		}
		identifiers.rows = append(identifiers.rows, []any{
			prfKey, p.digest, p.vault, "personal_number", "active", f.now.Add(-time.Hour), "identity_card", f.bytes(numberLength + 33), f.bytes(macLength),
		})
		return p
	}
	for range max(s.Children, 1) {
		f.children = append(f.children, child{enrol(), random()})
	}
	for range couples {
		f.couples = append(f.couples, [2]someone{enrol(), enrol()})
	}
	tables = append(tables, f.papers(enrol)...)
	tables = append(tables, f.granted(max(s.Grants, 1))...)
	return f.write(ctx, append(tables, vaults, people, keys, identifiers))
}

// directory is who may act.
func (f *Floor) directory() []table {
	none := []string{}
	return []table{
		{"organisations", []string{"organisation_id", "name_vi", "name_en", "kind", "sector", "created_at"}, [][]any{
			{organisation, organisation, organisation, "commune", organisation, f.now},
		}},
		{"clients", []string{"client_id", "organisation_id", "name", "profile", "scopes", "redirect_uris", "created_at", "mac"}, [][]any{
			{client, organisation, client, "fapi2", []string{"results", "prefill"}, none, f.now, f.clientMAC},
			{app, nil, app, "app", []string{"wallet"}, none, f.now, f.appMAC},
		}},
		{"client_keys", []string{"client_id", "kid", "public_jwk", "created_at", "mac"}, [][]any{
			{client, kid, []byte(`{"kty":"EC"}`), f.now, f.keyMAC},
		}},
		{"mandates", []string{"mandate_id", "client_id", "organisation_id", "units", "document_types", "procedures", "relations", "rights",
			"valid_from", "valid_until", "mac"}, [][]any{
			{random(), client, organisation, []string{"*"}, []string{birthCertificate, "death_extract", "marriage_certificate"},
				[]string{"birth_registration", "death_registration", "marriage_registration"}, []string{"mother", "father"},
				[]string{"deliver", "open_vault", "resolve", "request"}, f.now.Add(-time.Hour), f.now.AddDate(5, 0, 0), f.bytes(macLength)},
		}},
	}
}

// papers are those that are read, by their people and for the form.
func (f *Floor) papers(enrol func() someone) []table {
	sessions := table{"sessions", []string{"vault_id", "session_id", "client_id", "level", "amr", "scope", "jkt", "auth_time",
		"expires_at", "refresh_hash", "created_at", "mac"}, nil}
	documents := table{"documents", []string{"vault_id", "document_id", "type_tag", "state", "current_revision", "sealed_header", "added_at", "changed_at"}, nil}
	revisions := table{"document_revisions", []string{"vault_id", "document_id", "revision", "state", "payload_sha256", "issued_at", "received_at", "sealed"}, nil}
	file := func(vault [16]byte, tag []byte) [16]byte {
		id := random()
		documents.rows = append(documents.rows, []any{vault, id, tag, "current", 1, f.bytes(headerLength + 33), f.now, f.now})
		revisions.rows = append(revisions.rows, []any{vault, id, 1, "issued", f.digest(), f.now, f.now, f.bytes(messageLength + 33)})
		return id
	}
	for range 4 {
		f.tags = append(f.tags, f.digest()[:idLength])
	}
	for range readers {
		r := reader{vault: enrol().vault, session: ordered()}
		r.document = file(r.vault, f.tags[0])
		sessions.rows = append(sessions.rows, f.session(r.vault, r.session, app, "openid wallet", nil))
		f.readers = append(f.readers, r)
	}
	f.portal = portal{vault: f.readers[0].vault, session: ordered(), refresh: f.digest()}
	sessions.rows = append(sessions.rows, f.session(f.portal.vault, f.portal.session, client, "openid offline_access", f.portal.refresh))
	subjects := table{"subjects", []string{"sector", "vault_id", "sub", "created_at"}, [][]any{
		{organisation, f.portal.vault, "v5coYC5JNf7Sgil_dSnrRw", f.now},
	}}
	f.family = [2]member{{someone: enrol()}, {someone: enrol()}}
	for at, tag := range f.tags {
		m := &f.family[at/3] // three papers of the child, one of the mother
		m.documents = append(m.documents, file(m.vault, tag))
	}
	return []table{sessions, subjects, documents, revisions}
}

// session is a sign-in of level 1.
func (f *Floor) session(vault, session [16]byte, client, scope string, refresh []byte) []any {
	return []any{vault, session, client, int16(1), []string{"pwd"}, scope, fmt.Sprintf("%.43x", f.digest()), f.now, f.now.Add(time.Hour), refresh, f.now, f.sessionMAC}
}

// granted are the standing grants of the family, with the facts that made them.
func (f *Floor) granted(n int) []table {
	grants := table{"grants", []string{"vault_id", "grant_id", "request_id", "organisation_id", "client_id", "mode", "state", "valid_from", "valid_until",
		"pinned_documents", "pinned_revisions", "version", "sealed", "mac", "changed_at"}, nil}
	events := table{"grant_events", []string{"vault_id", "grant_id", "event_id", "kind", "at", "version", "sealed"}, nil}
	for range n {
		r := request{id: ordered(), grants: [2][16]byte{random(), random()}}
		for at := range r.grants {
			grants.rows = append(grants.rows, []any{f.family[at].vault, r.grants[at], r.id, organisation, client, "until", "active", f.now.Add(-time.Minute),
				f.now.AddDate(0, 6, 0), [][16]byte{}, []int32{}, 1, f.bytes(grantLength + 33), f.bytes(macLength), f.now})
			events.rows = append(events.rows, []any{f.family[at].vault, r.grants[at], ordered(), "granted", f.now.Add(-time.Minute), 1, f.bytes(useLength)})
		}
		f.requests = append(f.requests, r)
	}
	return []table{grants, events}
}

func (f *Floor) write(ctx context.Context, tables []table) error {
	return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		for _, t := range tables {
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
		return nil
	})
}
