package sim

import "github.com/cockroachdb/pebble/v2/vfs"

// disk tells of every sync, before it happens and after.
type disk struct {
	vfs.FS
	sync func()
}

func (d disk) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return diskFile{f, d.sync}, nil
}

func (d disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(d.FS.Create(name, c))
}

func (d disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.file(d.FS.OpenReadWrite(name, c, o...))
}

func (d disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(d.FS.ReuseForWrite(from, to, c))
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
