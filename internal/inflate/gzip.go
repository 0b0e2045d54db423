package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Flags of a member's head.
const (
	headSum = 1 << 1
	extra   = 1 << 2
	name    = 1 << 3
	comment = 1 << 4
	unknown = 0xe0
)

var (
	errHead = errors.New("gzip: not the head of a member")
	errSum  = errors.New("gzip: the checksum is wrong")
)

// Member decodes the one gzip member that src is into dst, all of which it must
// fill. It checks length and checksum, and that nothing follows. After an error
// dst holds anything.
func (d *Decoder) Member(dst, src []byte) error {
	body, err := head(src)
	if err != nil {
		return err
	}
	n, err := d.inflate(dst, src[body:])
	if err != nil {
		return fmt.Errorf("gzip: %w", err)
	}
	tail := src[body+n:]
	switch {
	case len(tail) < 8:
		return errors.New("gzip: cut off in the trailer")
	case len(tail) > 8:
		return fmt.Errorf("gzip: %d bytes follow its member", len(tail)-8)
	case binary.LittleEndian.Uint32(tail) != crc32.ChecksumIEEE(dst), binary.LittleEndian.Uint32(tail[4:]) != uint32(len(dst)):
		return errSum
	}
	return nil
}

// head returns where the deflate stream begins.
func head(b []byte) (int, error) {
	if len(b) < 10 || b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 || b[3]&unknown != 0 {
		return 0, errHead
	}
	flags, at := b[3], 10
	if flags&extra != 0 {
		if len(b)-at < 2 {
			return 0, errHead
		}
		at += 2 + int(binary.LittleEndian.Uint16(b[at:]))
	}
	for _, f := range []byte{name, comment} {
		if flags&f == 0 {
			continue
		}
		n := -1
		if at <= len(b) {
			n = bytes.IndexByte(b[at:], 0)
		}
		if n < 0 {
			return 0, errHead
		}
		at += n + 1
	}
	if flags&headSum != 0 {
		if len(b)-at < 2 || binary.LittleEndian.Uint16(b[at:]) != uint16(crc32.ChecksumIEEE(b[:at])) {
			return 0, errHead
		}
		at += 2
	}
	if at > len(b) {
		return 0, errHead
	}
	return at, nil
}
