package wallet

import (
	"encoding/binary"
	"time"

	"vidan/identity"
)

// A cursor is the place of the last item of a page, sealed so that it names nothing outside and belongs to one person.
const (
	cursorSector = "wallet"
	cursorKind   = "list"
	cursorSize   = 8 + 16 + 16
)

func (w *Wallet) cursor(person identity.VaultID, p position) string {
	v, id := person.Bytes(), p.id.Bytes()
	b := binary.BigEndian.AppendUint64(make([]byte, 0, cursorSize), uint64(p.at.UnixMicro()))
	b = append(append(b, id[:]...), v[:]...)
	return w.deployment.Ref(cursorSector, cursorKind, b)
}

// openCursor returns where to go on; the empty cursor is before everything.
func (w *Wallet) openCursor(person identity.VaultID, s string) (position, error) {
	if s == "" {
		last := [16]byte{}
		for i := range last {
			last[i] = 0xff
		}
		return position{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), identity.FromBytes[identity.DocumentID](last)}, nil
	}
	b, err := w.deployment.OpenRef(cursorSector, cursorKind, s)
	if err != nil || len(b) != cursorSize || [16]byte(b[24:]) != person.Bytes() {
		return position{}, ErrCursor
	}
	return position{
		at: time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC(),
		id: identity.FromBytes[identity.DocumentID]([16]byte(b[8:24])),
	}, nil
}
