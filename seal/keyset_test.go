package seal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"vidan/identity"
	"vidan/internal/keyring"
	"vidan/seal"
)

func TestVaultKeysAreThreeAndSmall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var purposes []seal.Purpose
	for _, row := range b.anRows {
		purposes = append(purposes, row.Purpose)
		if row.Vault != b.an || row.Epoch != 1 || row.State != seal.Active || row.KeysetID == [16]byte{} {
			t.Errorf("row %+v", row)
		}
		if len(row.Wrapped) < 130 || len(row.Wrapped) > 155 {
			t.Errorf("%s wraps into %d bytes", row.Purpose, len(row.Wrapped))
		}
	}
	if !slices.Equal(purposes, []seal.Purpose{seal.Content, seal.Record, seal.Tag}) {
		t.Errorf("purposes %v", purposes)
	}
	again := must(b.OpenVault(t.Context(), b.an, b.anRows))(t)
	sealed := must(b.ofAn.Seal(seal.Content, b.header(), secret))(t)
	if _, err := again.Open(seal.Content, b.header(), sealed); err != nil {
		t.Errorf("opened again: %v", err)
	}
	if again.TypeTag("birth_certificate") != b.ofAn.TypeTag("birth_certificate") {
		t.Error("opened again, the tag is another")
	}
}

func TestC3_KeysetIsBound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	epoch := must(keyring.AddEpoch(t.Context(), b.uri))(t)
	d := must(seal.OpenDeployment(t.Context(), openKEK(t, b.uri), b.id, b.rows))(t) // holds both epochs
	spoil := func(i int, change func(*seal.WrappedKey)) []seal.WrappedKey {
		rows := slices.Clone(b.anRows)
		rows[i].Wrapped = slices.Clone(rows[i].Wrapped)
		change(&rows[i])
		return rows
	}
	cases := map[string][]seal.WrappedKey{
		"another vault":        spoil(0, func(w *seal.WrappedKey) { w.Vault = b.dan }),
		"another purpose":      spoil(0, func(w *seal.WrappedKey) { w.Purpose = seal.Record }),
		"an unknown purpose":   spoil(0, func(w *seal.WrappedKey) { w.Purpose = "contents" }),
		"another keyset id":    spoil(1, func(w *seal.WrappedKey) { w.KeysetID[3]++ }),
		"another epoch":        spoil(1, func(w *seal.WrappedKey) { w.Epoch = epoch }),
		"an unknown state":     spoil(2, func(w *seal.WrappedKey) { w.State = "asleep" }),
		"nothing wrapped":      spoil(2, func(w *seal.WrappedKey) { w.Wrapped = nil }),
		"no active keyset":     spoil(2, func(w *seal.WrappedKey) { w.State = seal.Retired }),
		"a purpose is missing": b.anRows[:2],
		"two active keysets":   append(slices.Clone(b.anRows), b.anRows[0]),
		"purposes exchanged": append(spoil(0, func(w *seal.WrappedKey) { w.Wrapped = b.anRows[1].Wrapped })[:1],
			spoil(1, func(w *seal.WrappedKey) { w.Wrapped = b.anRows[0].Wrapped })[1:]...),
	}
	for i := range b.anRows[0].Wrapped {
		cases[fmt.Sprintf("byte %d flipped", i)] = spoil(0, func(w *seal.WrappedKey) { w.Wrapped[i] ^= 0x10 })
	}
	for name, rows := range cases {
		if keys, err := d.OpenVault(t.Context(), b.an, rows); !errors.Is(err, seal.ErrKeyset) || keys != nil {
			t.Errorf("%s: %v, want ErrKeyset", name, err)
		}
	}
	// As somebody who can write to the database would: all rows of one vault under the name of another.
	moved := slices.Clone(b.anRows)
	for i := range moved {
		moved[i].Vault = b.dan
	}
	if _, err := d.OpenVault(t.Context(), b.dan, moved); !errors.Is(err, seal.ErrKeyset) {
		t.Errorf("a vault's rows moved: %v, want ErrKeyset", err)
	}
	if _, err := d.OpenVault(t.Context(), identity.NewVaultID(), nil); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("no rows: %v, want ErrNoKeys", err)
	}
}

func TestC3_DeploymentKeysAreBound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range b.rows {
		spoiled := slices.Clone(b.rows)
		spoiled[i].KeysetID[0]++
		without := slices.Delete(slices.Clone(b.rows), i, i+1)
		destroyed := slices.Clone(b.rows)
		destroyed[i].State, destroyed[i].Wrapped = seal.Destroyed, nil
		exchanged := slices.Clone(b.rows)
		exchanged[i].Purpose = b.rows[(i+1)%len(b.rows)].Purpose
		for name, rows := range map[string][]seal.DeploymentKey{"spoiled": spoiled, "missing": without, "destroyed": destroyed, "exchanged": exchanged} {
			if _, err := seal.OpenDeployment(t.Context(), b.kek, b.id, rows); !errors.Is(err, seal.ErrKeyset) {
				t.Errorf("%s %s: %v, want ErrKeyset", b.rows[i].Purpose, name, err)
			}
		}
	}
}

func TestC10_WithoutTheKEK(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.kek.Down()
	if _, err := b.OpenVault(t.Context(), b.an, b.anRows); !errors.Is(err, seal.ErrKeysUnavailable) {
		t.Errorf("open: %v, want ErrKeysUnavailable", err)
	}
	if _, rows, err := b.NewVault(t.Context(), identity.NewVaultID()); !errors.Is(err, seal.ErrKeysUnavailable) || rows != nil {
		t.Errorf("new: %v, want ErrKeysUnavailable", err)
	}
	if _, err := seal.OpenDeployment(t.Context(), b.kek, b.id, b.rows); !errors.Is(err, seal.ErrKeysUnavailable) {
		t.Errorf("start: %v, want ErrKeysUnavailable", err)
	}
	b.kek.Heal()
	b.kek.WrongKey()
	if _, err := b.OpenVault(t.Context(), b.an, b.anRows); !errors.Is(err, seal.ErrKeyset) || errors.Is(err, seal.ErrKeysUnavailable) {
		t.Errorf("wrong key: %v, want ErrKeyset", err)
	}
	if _, rows, err := b.NewVault(t.Context(), identity.NewVaultID()); !errors.Is(err, seal.ErrKeyset) || rows != nil {
		t.Errorf("a key-encryption key that does not give back what it took: %v, want ErrKeyset and no rows", err)
	}
}

// Rotation of the key-encryption key: both epochs open meanwhile, rewrapped rows outlive the old one (P12, S4).
func TestRewrapMovesKeysetsToTheNewEpoch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sealed := must(b.ofAn.Seal(seal.Content, b.header(), secret))(t)
	digest := b.Digest(seal.PersonalNumber, "099326000004")
	epoch := must(keyring.AddEpoch(t.Context(), b.uri))(t)
	both := openKEK(t, b.uri)
	d := must(seal.OpenDeployment(t.Context(), both, b.id, b.rows))(t)

	vault := make([]seal.WrappedKey, len(b.anRows))
	for i, row := range b.anRows {
		vault[i] = must(d.Rewrap(t.Context(), row))(t)
		if vault[i].Epoch != epoch || vault[i].KeysetID != row.KeysetID || slices.Equal(vault[i].Wrapped, row.Wrapped) {
			t.Errorf("rewrapped to %+v", vault[i])
		}
	}
	own := make([]seal.DeploymentKey, len(b.rows))
	for i, row := range b.rows {
		own[i] = must(d.RewrapDeployment(t.Context(), row))(t)
	}
	after := must(seal.OpenDeployment(t.Context(), only{both, epoch}, b.id, own))(t)
	if after.Digest(seal.PersonalNumber, "099326000004") != digest {
		t.Error("a rewrapped deployment digests otherwise")
	}
	keys := must(after.OpenVault(t.Context(), b.an, vault))(t)
	if _, err := keys.Open(seal.Content, b.header(), sealed); err != nil {
		t.Errorf("under the new epoch alone: %v", err)
	}
	// What a backup holds is dead once its epoch is destroyed.
	if _, err := after.OpenVault(t.Context(), b.an, b.anRows); !errors.Is(err, seal.ErrKeysUnavailable) {
		t.Errorf("rows of the destroyed epoch: %v", err)
	}
	if _, err := d.Rewrap(t.Context(), seal.WrappedKey{Vault: b.an, State: seal.Destroyed}); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("rewrap of a destroyed keyset: %v", err)
	}
}

// Rotation within a vault: the new keyset opens everywhere before it seals anywhere, and the old one opens after.
func TestRetiredKeysetsStillOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, fresh, err := b.NewVault(t.Context(), b.an)
	if err != nil {
		t.Fatal(err)
	}
	retire := func(rows []seal.WrappedKey) []seal.WrappedKey {
		rows = slices.Clone(rows)
		for i := range rows {
			rows[i].State = seal.Retired
		}
		return rows
	}
	before := must(b.OpenVault(t.Context(), b.an, append(slices.Clone(b.anRows), retire(fresh)...)))(t)
	after := must(b.OpenVault(t.Context(), b.an, append(slices.Clone(fresh), retire(b.anRows)...)))(t)
	for _, k := range []*seal.Keys{before, after} {
		sealed := must(k.Seal(seal.Content, b.header(), secret))(t)
		for _, other := range []*seal.Keys{before, after} {
			if _, err := other.Open(seal.Content, b.header(), sealed); err != nil {
				t.Errorf("during rotation: %v", err)
			}
		}
	}
	old := must(b.ofAn.SealMessage(seal.Record, b.header(), secret))(t)
	if _, err := after.OpenMessage(seal.Record, b.header(), old); err != nil {
		t.Errorf("sealed before, opened after: %v", err)
	}
	if sealed := must(after.Seal(seal.Content, b.header(), secret))(t); errOf(b.ofAn.Open(seal.Content, b.header(), sealed)) == nil {
		t.Error("the retired keyset still seals")
	}
}

// Erasure: content and tag go at once, the record stays readable until its legal term.
func TestP12_DestroyedKeysetsOpenNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	content := must(b.ofAn.Seal(seal.Content, b.header(), secret))(t)
	record := must(b.ofAn.Seal(seal.Record, b.header(), secret))(t)
	rows := slices.Clone(b.anRows)
	for i := range rows {
		if rows[i].Purpose != seal.Record {
			rows[i].State, rows[i].Wrapped = seal.Destroyed, nil
		}
	}
	keys := must(b.OpenVault(t.Context(), b.an, rows))(t)
	if _, err := keys.Open(seal.Content, b.header(), content); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("content: %v, want ErrNoKeys", err)
	}
	if _, err := keys.Seal(seal.Content, b.header(), secret); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("new content: %v, want ErrNoKeys", err)
	}
	if keys.TypeTag("birth_certificate") != [16]byte{} {
		t.Error("a destroyed tag keyset still tags")
	}
	if _, err := keys.Open(seal.Record, b.header(), record); err != nil {
		t.Errorf("record: %v", err)
	}
	for i := range rows {
		rows[i].State, rows[i].Wrapped = seal.Destroyed, nil
	}
	if _, err := b.OpenVault(t.Context(), b.an, rows); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("everything destroyed: %v, want ErrNoKeys", err)
	}
}

// only is a KEK that has lost every epoch but one.
type only struct {
	keyring.KEK
	epoch int32
}

func (o only) Epochs() []int32 { return []int32{o.epoch} }

func (o only) Unwrap(ctx context.Context, epoch int32, wrapped, ad []byte) ([]byte, error) {
	if epoch != o.epoch {
		return nil, keyring.ErrEpoch
	}
	return o.KEK.Unwrap(ctx, epoch, wrapped, ad)
}
