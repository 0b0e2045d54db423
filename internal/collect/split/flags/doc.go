// Package flags reads the definitions of flags that a source of kind split
// serves, and writes the answers in which SDKs of Split fetch them. It does not
// evaluate them: SDKs do. No I/O.
package flags
