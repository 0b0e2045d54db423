// Command strm is the strm server and its command line.
package main

import (
	"os"

	"strm/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
