// Package access proves, with the whole server in one process, that the
// policies which strm prints are enough for its exporters, and that every part
// of them is needed; and how exporters fare when access ends and comes back.
// The AWS of these tests is awsdouble, see there what that proves.
package access
