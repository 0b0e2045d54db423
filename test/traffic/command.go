package traffic

import (
	"fmt"
	"os"
)

// Command is one run of a program that breaks strm, as its command line asks for.
type Command struct {
	Name string // below test/
	What string // of the run, for the first and the last line
	Args string // that ask for the same run again
	Dir  string // for its files, kept; empty: a temporary one, kept only after a failure
}

// Run does the run, tells how it went, and returns the exit status.
func (c Command) Run(run func(dir string) (fmt.Stringer, error)) int {
	dir := c.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "strm-"+c.Name+"-"); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", c.Name, err)
			return 1
		}
	}
	fmt.Printf("%s: %s, files in %s\n", c.Name, c.What, dir)
	res, err := run(dir)
	fmt.Printf("%s: %s: %v\n", c.Name, c.What, res)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: FAILED\n%v\nfiles kept in %s; again with: go run ./test/%s %s\n", c.Name, err, dir, c.Name, c.Args)
		return 1
	}
	if c.Dir == "" {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", c.Name, err)
			return 1
		}
	}
	return 0
}
