package seal

import (
	"testing"
	"testing/synctest"
	"time"

	"vidan/identity"
)

// Keys that nobody asks for again leave memory when their life is over, not when their room is needed (C9).
func TestC9_IdleKeysAreDropped(t *testing.T) {
	t.Parallel()
	k, _ := openKeys(t)
	synctest.Test(t, func(t *testing.T) {
		vaults, err := NewVaults(k.d, CacheConfig{}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer vaults.Close()
		vaults.cache.Set(k.vault, &cached{keys: k})
		time.Sleep(14 * time.Minute) // the clock of the bubble
		synctest.Wait()
		if vaults.cache.EstimatedSize() != 1 {
			t.Error("dropped before their life was over")
		}
		time.Sleep(2 * time.Minute) // the clock of the bubble
		synctest.Wait()
		if n := vaults.cache.EstimatedSize(); n != 0 {
			t.Errorf("%d vaults are held a minute after their life was over", n)
		}
	})
}

func TestC9_CacheIsBounded(t *testing.T) {
	t.Parallel()
	k, _ := openKeys(t)
	vaults, err := NewVaults(k.d, CacheConfig{Size: 8}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer vaults.Close()
	for range 100 {
		vaults.cache.Set(identity.NewVaultID(), &cached{keys: k})
	}
	vaults.cache.CleanUp() // what the cache does by itself a moment later
	if n := vaults.cache.EstimatedSize(); n > 8 {
		t.Errorf("a cache of 8 holds %d vaults", n)
	}
	vaults.Close()
	if n := vaults.cache.EstimatedSize(); n != 0 {
		t.Errorf("closed, it holds %d vaults", n)
	}
}
