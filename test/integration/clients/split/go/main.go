// Runs Split's Go client in its default mode, against strm alone.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/splitio/go-client/v6/splitio/client"
	"github.com/splitio/go-client/v6/splitio/conf"
)

// plan is what the test hands over. With Proxy the one-line setting of the
// synchronizer's address is used, else each URL by itself.
type plan struct {
	Key, API, Root, Mode, Name string
	Users, Repeats, Events     int
	Proxy                      bool
}

func main() {
	var p plan
	if err := json.Unmarshal([]byte(os.Args[1]), &p); err != nil {
		fail(err)
	}
	cfg := conf.Default()
	cfg.ImpressionsMode = p.Mode
	cfg.IPAddressesEnabled = true
	if p.Proxy {
		cfg.SplitSyncProxyURL = p.API
	} else {
		cfg.Advanced.SdkURL, cfg.Advanced.EventsURL = p.API, p.API
		cfg.Advanced.AuthServiceURL, cfg.Advanced.TelemetryServiceURL = p.Root, p.API+"/v1"
	}
	factory, err := client.NewSplitFactory(p.Key, cfg)
	if err != nil {
		fail(err)
	}
	c := factory.Client()
	if err := c.BlockUntilReady(30); err != nil {
		fail(err)
	}
	evaluated := []map[string]string{}
	for range p.Repeats {
		for n := range p.Users {
			for _, flag := range []string{"checkout", "search"} {
				user := fmt.Sprintf("%s-%d", p.Name, n)
				evaluated = append(evaluated, map[string]string{"keyName": user, "feature": flag, "treatment": c.Treatment(user, flag, nil)})
			}
		}
	}
	for n := range p.Events {
		if err := c.Track(fmt.Sprintf("%s-%d", p.Name, n), "user", "page.load", float64(n), nil); err != nil {
			fail(err)
		}
	}
	c.Destroy()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"impressions": evaluated, "events": p.Events, "version": "go"}); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
