package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// ErrTampered reports a row whose columns are not those that were written (C6). It needs an operator: somebody wrote
// to the database.
var ErrTampered = errors.New("seal: row was altered")

// Columns are the security columns of a row, in the order its table fixes once. Each is written with its type and
// length, so that null, empty and absent, and 1 and "1", all differ. Use a new one for each row:
//
//	new(seal.Columns).UUID(vault).Text(state).Time(until)
type Columns struct {
	masked
	b []byte
}

// The type bytes of columns; an array sets the top bit.
const (
	columnNull  = 0
	columnBytes = 1
	columnText  = 2
	columnUUID  = 3
	columnInt   = 4
	columnBool  = 5
	columnTime  = 6
	columnArray = 0x80
)

// Null adds a column without a value.
func (c *Columns) Null() *Columns { return c.add(columnNull, nil) }

// Bytes adds a bytea; nil is null.
func (c *Columns) Bytes(v []byte) *Columns {
	if v == nil {
		return c.Null()
	}
	return c.add(columnBytes, v)
}

// Text adds a text or an enumeration.
func (c *Columns) Text(v string) *Columns {
	c.b = textField(append(c.b, columnText), v)
	return c
}

// UUID adds an id.
func (c *Columns) UUID(v [16]byte) *Columns { return c.add(columnUUID, v[:]) }

// Int adds an integer of any width.
func (c *Columns) Int(v int64) *Columns {
	c.b = uint64Field(append(c.b, columnInt), uint64(v))
	return c
}

// Bool adds a boolean.
func (c *Columns) Bool(v bool) *Columns {
	one := byte(0)
	if v {
		one = 1
	}
	c.b = byteField(append(c.b, columnBool), one)
	return c
}

// Time adds a moment to the microsecond, which is what PostgreSQL keeps; the zone does not matter. The zero time is
// null.
func (c *Columns) Time(v time.Time) *Columns {
	if v.IsZero() {
		return c.Null()
	}
	c.b = uint64Field(append(c.b, columnTime), uint64(v.UnixMicro()))
	return c
}

// Texts adds a text[]; nil and empty are the same, as for a column that is not null.
func (c *Columns) Texts(v []string) *Columns {
	array := binary.BigEndian.AppendUint32(nil, uint32(len(v)))
	for _, s := range v {
		array = textField(array, s)
	}
	return c.add(columnArray|columnText, array)
}

// UUIDs adds a uuid[]; nil and empty are the same.
func (c *Columns) UUIDs(v [][16]byte) *Columns {
	array := binary.BigEndian.AppendUint32(nil, uint32(len(v)))
	for _, id := range v {
		array = bytesField(array, id[:])
	}
	return c.add(columnArray|columnUUID, array)
}

// Ints adds an array of integers of any width; nil and empty are the same.
func (c *Columns) Ints(v []int64) *Columns {
	array := binary.BigEndian.AppendUint32(nil, uint32(len(v)))
	for _, n := range v {
		array = uint64Field(array, uint64(n))
	}
	return c.add(columnArray|columnInt, array)
}

func (c *Columns) add(kind byte, v []byte) *Columns {
	if c.b == nil {
		c.b = make([]byte, 0, 192)
	}
	c.b = bytesField(append(c.b, kind), v)
	return c
}

// MAC authenticates the columns of a row of the table: 37 bytes, of which the first five name the key.
func (d *Deployment) MAC(table string, c *Columns) []byte {
	sum, err := d.macs[0].ComputeMAC(d.macInput(table, c))
	if err != nil {
		panic("seal: HMAC-SHA256 failed")
	}
	return sum
}

// VerifyMAC checks, in constant time, that the row still has the columns that MAC was given; else ErrTampered.
func (d *Deployment) VerifyMAC(table string, c *Columns, mac []byte) error {
	input := d.macInput(table, c)
	for _, key := range d.macs {
		if key.VerifyMAC(mac, input) == nil {
			return nil
		}
	}
	return fmt.Errorf("row of %s: %w", table, ErrTampered)
}

func (d *Deployment) macInput(table string, c *Columns) []byte {
	b := textField(make([]byte, 0, 64+len(table)+len(c.b)), "row-mac")
	b = bytesField(b, d.id[:])
	b = textField(b, table)
	return append(b, c.b...)
}
