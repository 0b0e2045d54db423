package notice

// Version identifies the file's version among those of its key: "v:" and the
// version id, or "e:" and the ETag where there is none. The version id "null" is
// none: what is stored while versioning is off or suspended all has it.
func (f *File) Version() string {
	if f.VersionID == "" || f.VersionID == "null" {
		return "e:" + f.ETag
	}
	return "v:" + f.VersionID
}
