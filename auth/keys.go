package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/internal/pg"
	"vidan/seal"
)

// Purpose says what a signing key of the deployment signs. A key of one purpose verifies nothing of another.
type Purpose string

// The purposes. Receipt keys stay published for ever: a receipt is proof for as long as somebody keeps it.
const (
	TokenKeys   Purpose = "token"   // access tokens and ID tokens
	ReceiptKeys Purpose = "receipt" // receipts of results, of consent and of its withdrawal
	PrefillKeys Purpose = "prefill" // the answers of prefill
)

var purposes = []Purpose{TokenKeys, ReceiptKeys, PrefillKeys}

// States of a signing key: published before it signs, signing, published after it signed, published no more. From retirement on only the
// public part is kept: nobody signs with an old key again, whatever they have opened.
const (
	keyNext     = "next"
	keyActive   = "active"
	keyRetired  = "retired"
	keyArchived = "archived"
)

// tokenKeyKept is how long a retired token key stays published: longer than anything it signed is believed.
const tokenKeyKept = 24 * time.Hour

// ErrSigningKeys reports that the deployment has no key, or two, to sign with for a purpose.
var ErrSigningKeys = errors.New("auth: signing keys are not complete")

const (
	sqlInsertSigningKey = `
insert into signing_keys (kid, purpose, state, alg, public_jwk, sealed, created_at, changed_at)
values ($1, $2, $3, $4, $5, $6, $7, $7)`

	sqlSigningKeys = `
select kid, purpose, state, sealed, created_at, changed_at from signing_keys order by created_at, kid`

	sqlHasSigningKeys = `select exists (select 1 from signing_keys)`
)

// CreateKeys draws one ES256 key per purpose and stores them, the private parts sealed under the deployment. It refuses with
// [ErrSigningKeys] where the deployment already has keys.
func CreateKeys(ctx context.Context, pool *pgxpool.Pool, d *seal.Deployment, now time.Time) error {
	err := pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		var some bool
		if err := tx.QueryRow(ctx, sqlHasSigningKeys).Scan(&some); err != nil {
			return err
		}
		if some {
			return ErrSigningKeys
		}
		for _, p := range purposes {
			if err := createKey(ctx, tx, d, p, keyActive, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("create signing keys: %w", err)
	}
	return nil
}

// createKey draws a key and stores it. Its kid is its thumbprint, so that a kid can never be given to another key.
func createKey(ctx context.Context, tx pgx.Tx, d *seal.Deployment, p Purpose, state string, now time.Time) error {
	private, public, err := newSigningJWK()
	if err != nil {
		return err
	}
	row := signingRow{KID: public.KID(), Purpose: p, State: state, Created: now, Changed: now}
	sealed, err := d.Seal(seal.Signing, row.place(), private)
	if err != nil {
		return err
	}
	jwk, err := public.JWK()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sqlInsertSigningKey, public.KID(), p, state, public.Algorithm(), jwk, sealed, now)
	return err
}

// place binds what is sealed to all that the row says: it cannot be turned to another purpose, brought back into use or kept in it.
func (r *signingRow) place() seal.Place {
	name := strings.Join([]string{string(r.Purpose), r.KID, r.State, strconv.FormatInt(r.Changed.UnixMicro(), 10)}, "/")
	return seal.Place{Table: "signing_keys", Column: "sealed", Object: seal.ObjectName(name)}
}

// Keys holds the signing keys of the deployment, opened. It is safe for concurrent use; what it gives out changes only in Refresh.
type Keys struct {
	pool       *pgxpool.Pool
	deployment *seal.Deployment
	set        atomic.Pointer[keySet]
}

// keySet is one consistent reading of signing_keys.
type keySet struct {
	signers map[Purpose]*Signer
	public  map[Purpose]map[string]*Key
	jwks    []byte
}

// OpenKeys reads and opens the signing keys. Errors: [ErrSigningKeys], those of seal when a row does not open.
func OpenKeys(ctx context.Context, pool *pgxpool.Pool, d *seal.Deployment, now time.Time) (*Keys, error) {
	k := &Keys{pool: pool, deployment: d}
	if err := k.Refresh(ctx, now); err != nil {
		return nil, err
	}
	return k, nil
}

type signingRow struct {
	KID     string
	Purpose Purpose
	State   string
	Sealed  []byte
	Created time.Time
	Changed time.Time // when it came into its state
}

// published reports whether others can still read the key. A token key goes when nothing that it signed is valid any more; receipts and
// the answers of prefill are proof for as long as somebody keeps them.
func (r *signingRow) published(now time.Time) bool {
	return r.State != keyArchived && !(r.Purpose == TokenKeys && r.State == keyRetired && now.Sub(r.Changed) > tokenKeyKept)
}

// open opens the key: with its private part while it signs or is about to.
func (r *signingRow) open(d *seal.Deployment) (*Key, *Signer, error) {
	opened, err := d.Open(seal.Signing, r.place(), r.Sealed)
	if err != nil {
		return nil, nil, fmt.Errorf("key %s: %w", r.KID, err)
	}
	var key *Key
	var signer *Signer
	if r.State == keyNext || r.State == keyActive {
		if signer, err = newSigner(opened); err == nil {
			key = signer.key
		}
	} else {
		key, err = ParseKey(opened)
	}
	if err != nil || key.kid != r.KID {
		return nil, nil, fmt.Errorf("key %s: %w", r.KID, ErrKey)
	}
	return key, signer, nil
}

func readSigningKeys(ctx context.Context, from interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}) ([]signingRow, error) {
	rows, err := from.Query(ctx, sqlSigningKeys)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", pg.Classify(err))
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[signingRow])
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", pg.Classify(err))
	}
	return all, nil
}

// Refresh reads the keys again, so that a rotation done by another process is seen. On an error nothing changes.
func (k *Keys) Refresh(ctx context.Context, now time.Time) error {
	all, err := readSigningKeys(ctx, k.pool)
	if err != nil {
		return err
	}
	set, err := k.open(all, now)
	if err != nil {
		return fmt.Errorf("open signing keys: %w", err)
	}
	k.set.Store(set)
	return nil
}

// open believes only what is inside the seals: a key added to the table by another hand verifies nothing.
func (k *Keys) open(rows []signingRow, now time.Time) (*keySet, error) {
	set := &keySet{signers: map[Purpose]*Signer{}, public: map[Purpose]map[string]*Key{}}
	published := []json.RawMessage{}
	for _, row := range rows {
		if !row.published(now) {
			continue
		}
		key, signer, err := row.open(k.deployment)
		if err != nil {
			return nil, err
		}
		jwk, err := key.JWK()
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", row.KID, err)
		}
		published = append(published, jwk)
		if set.public[row.Purpose] == nil {
			set.public[row.Purpose] = map[string]*Key{}
		}
		set.public[row.Purpose][row.KID] = key
		if row.State == keyActive {
			if set.signers[row.Purpose] != nil {
				return nil, fmt.Errorf("two active %s keys: %w", row.Purpose, ErrSigningKeys)
			}
			set.signers[row.Purpose] = signer
		}
	}
	for _, p := range purposes {
		if set.signers[p] == nil {
			return nil, fmt.Errorf("no active %s key: %w", p, ErrSigningKeys)
		}
	}
	var err error
	set.jwks, err = json.Marshal(map[string]any{"keys": published})
	return set, err
}

// Signer returns the signer of a purpose that is active now. Callers ask again for each message, so that a rotation reaches them.
func (k *Keys) Signer(p Purpose) *Signer { return k.set.Load().signers[p] }

// Lookup finds the published keys of one purpose by kid.
func (k *Keys) Lookup(p Purpose) KeyLookup {
	return func(kid string) (*Key, error) {
		if key := k.set.Load().public[p][kid]; key != nil {
			return key, nil
		}
		return nil, ErrUnknownKey
	}
}

// JWKS returns the JSON Web Key Set (RFC 7517 §5) with every published key.
func (k *Keys) JWKS() []byte { return k.set.Load().jwks }
