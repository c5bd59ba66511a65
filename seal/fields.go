package seal

import (
	"crypto/sha256"
	"encoding/binary"
)

// A field is its length in four bytes, big endian, and then its bytes (C5): ("ab", "c") and ("a", "bc") differ.

func bytesField(b, v []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

func textField(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func byteField(b []byte, v byte) []byte { return append(b, 0, 0, 0, 1, v) }

func uint32Field(b []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), v)
}

func uint64Field(b []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), v)
}

// ObjectName makes the object id of a row whose key is text (a key id, a client id): the first half of its SHA-256.
func ObjectName(key string) [16]byte {
	sum := sha256.Sum256([]byte(key))
	return [16]byte(sum[:16])
}
