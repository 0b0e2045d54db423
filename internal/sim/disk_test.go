package sim

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk tells of every sync of a file, before it happens and after, and whether
// it is the write-ahead log's.
type disk struct {
	vfs.FS
	sync func(wal bool)
}

func (d disk) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	wal := strings.HasSuffix(name, ".log")
	return diskFile{f, func() { d.sync(wal) }}, nil
}

func (d disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return d.file(name, f, err)
}

func (d disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, o...)
	return d.file(name, f, err)
}

func (d disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(from, to, c)
	return d.file(to, f, err)
}

func (d disk) Unwrap() vfs.FS { return d.FS }

type diskFile struct {
	vfs.File
	sync func()
}

func (f diskFile) Sync() error {
	f.sync()
	defer f.sync()
	return f.File.Sync()
}

func (f diskFile) SyncData() error {
	f.sync()
	defer f.sync()
	return f.File.SyncData()
}

func (f diskFile) SyncTo(n int64) (bool, error) {
	f.sync()
	defer f.sync()
	return f.File.SyncTo(n)
}
