package person

import "vidan/seal"

// Digests returns what a result waits under: the digests of its identifiers under every PRF key in use. Whoever stores them does so in
// the batch that begins with [Registry.QueueStillUnknown] (N5).
func (r *Registry) Digests(ids []Identifier) []seal.Digest {
	var all []seal.Digest
	for _, id := range ids {
		all = append(all, r.digests(id)...)
	}
	return all
}
