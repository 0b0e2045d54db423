package flags

import (
	"strconv"

	"strm/internal/jsonscan"
	"strm/internal/stream"
)

// AppendChanges appends the answer to splitChanges?s=1.3: what an SDK lacks that
// has the flags of since and the rule-based segments of segmentsSince, -1 for
// none. Any since but the set's version gets all of it, with what is gone.
func AppendChanges(dst []byte, s *stream.FlagSet, since, segmentsSince int64) []byte {
	dst = append(dst, `{"ff":{"d":`...)
	dst, till := appendList(dst, s, s.Flags, s.Gone, since, appendArchivedFlag)
	dst = appendBounds(dst, `,"s":`, since, `,"t":`, till)
	dst = append(dst, `},"rbs":{"d":`...)
	dst, till = appendList(dst, s, s.Segments, s.GoneSegments, segmentsSince, appendArchivedSegment)
	dst = appendBounds(dst, `,"s":`, segmentsSince, `,"t":`, till)
	return append(dst, "}}"...)
}

// AppendSplits appends the answer to the older splitChanges?s=1.1 and 1.2, which
// know no rule-based segments.
func AppendSplits(dst []byte, s *stream.FlagSet, since int64) []byte {
	dst, till := appendList(append(dst, `{"splits":`...), s, s.Flags, s.Gone, since, appendArchivedFlag)
	return append(appendBounds(dst, `,"since":`, since, `,"till":`, till), '}')
}

func appendBounds(dst []byte, sinceKey string, since int64, tillKey string, till int64) []byte {
	dst = strconv.AppendInt(append(dst, sinceKey...), since, 10)
	return strconv.AppendInt(append(dst, tillKey...), till, 10)
}

// appendList appends the array of what changed since, and returns the change
// number that the asker has then. Where nothing was ever served, it is since: an
// SDK takes that for an answer that is complete.
func appendList(dst []byte, s *stream.FlagSet, list []byte, gone []string, since int64, archived func([]byte, string, int64) []byte) ([]byte, int64) {
	if s.Version == 0 || since == s.Version {
		return append(dst, "[]"...), since
	}
	if len(list) == 0 {
		list = []byte("[]")
	}
	dst = append(dst, list[:len(list)-1]...)
	if since >= 0 {
		for i, name := range gone {
			if i > 0 || len(list) > len("[]") {
				dst = append(dst, ',')
			}
			dst = archived(dst, name, s.Version)
		}
	}
	return append(dst, ']'), s.Version
}

func appendArchivedFlag(dst []byte, name string, version int64) []byte {
	dst = jsonscan.Quote(append(dst, `{"name":`...), name)
	dst = strconv.AppendInt(append(dst, `,"changeNumber":`...), version, 10)
	return append(dst, `,"trafficTypeName":"","status":"ARCHIVED","killed":true,"defaultTreatment":"control","seed":0,"trafficAllocation":100,`+
		`"trafficAllocationSeed":0,"algo":2,"configurations":{},"sets":[],"conditions":[]}`...)
}

func appendArchivedSegment(dst []byte, name string, version int64) []byte {
	dst = jsonscan.Quote(append(dst, `{"name":`...), name)
	dst = strconv.AppendInt(append(dst, `,"changeNumber":`...), version, 10)
	return append(dst, `,"trafficTypeName":"","status":"ARCHIVED","excluded":{"keys":[],"segments":[]},"conditions":[]}`...)
}
