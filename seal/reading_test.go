package seal_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vidan/identity"
	"vidan/seal"
)

// ofAll finds the keysets of every vault.
const ofAll = `select ` + seal.KeyColumns + ` from vault_keys k`

// read is a batch that reads the keysets of every vault; between says what happens after it, before anybody opens them.
func (s *stock) read(t *testing.T, between func()) *seal.Reading {
	t.Helper()
	b := new(pgx.Batch)
	r := s.vaults.QueueRead(b, ofAll)
	if err := s.pool.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
	between()
	return r
}

func TestKeysReadAlongAreHeld(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	other := s.newVault(t)
	r := s.read(t, func() {})
	for _, v := range []identity.VaultID{s.an, other, s.an} {
		if keys := must(r.OpenOne(t.Context(), s.db, v))(t); keys.Vault() != v {
			t.Errorf("asked for %s, got %s", v, keys.Vault())
		}
	}
	must(s.vaults.Open(t.Context(), s.db, s.an, other))(t)
	if s.db.n.Load() != 0 {
		t.Errorf("%d queries for keys that were read along", s.db.n.Load())
	}
	s.reads(t, must(s.ofAn.Seal(seal.Content, s.header(), secret))(t))
}

// What a reading does not have is asked for, and so is whether held keys that are due are still there.
func TestReadingAsksForWhatItLacks(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	r := s.read(t, func() {})
	late, unknown := s.newVault(t), identity.NewVaultID()
	if keys := must(r.OpenOne(t.Context(), s.db, late))(t); keys.Vault() != late || s.db.n.Load() != 1 {
		t.Errorf("got %s in %d queries", keys.Vault(), s.db.n.Load())
	}
	if _, err := r.OpenOne(t.Context(), s.db, unknown); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("unknown vault: %v, want ErrNoKeys", err)
	}
	must(r.OpenOne(t.Context(), s.db, s.an))(t)
	s.destroy(t, s.an)
	s.pass(6 * time.Minute)
	if _, err := r.OpenOne(t.Context(), s.db, s.an); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("erased meanwhile: %v, want ErrNoKeys", err)
	}
}

// A vault forgotten between the batch and the opening may be opened by whoever read its keys in time, and is held for nobody else.
func TestForgetWinsAgainstAReading(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	r := s.read(t, func() {
		s.destroy(t, s.an)
		s.vaults.Forget(s.an)
	})
	must(r.OpenOne(t.Context(), s.db, s.an))(t)
	if _, err := s.vaults.OpenOne(t.Context(), s.db, s.an); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("the erased vault is still held: %v", err)
	}
}

func TestReadingRefusesKeysOfAnother(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	other := identity.NewVaultID()
	b := new(pgx.Batch)
	r := s.vaults.QueueRead(b, `select $1::uuid, k.purpose, k.keyset_id, k.kek_epoch, k.state, k.wrapped from vault_keys k`, other)
	if err := s.pool.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.OpenOne(t.Context(), s.db, other); !errors.Is(err, seal.ErrKeyset) {
		t.Errorf("got %v, want ErrKeyset", err)
	}
}

func TestC10_ReadingWithoutTheKMS(t *testing.T) {
	t.Parallel()
	s := newStock(t, seal.CacheConfig{})
	r := s.read(t, s.kek.Down)
	if _, err := r.OpenOne(t.Context(), s.db, s.an); !errors.Is(err, seal.ErrKeysUnavailable) {
		t.Errorf("got %v, want ErrKeysUnavailable", err)
	}
}
