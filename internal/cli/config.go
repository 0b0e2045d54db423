package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"strm/internal/apiclient"
	"strm/internal/cli/render"
)

// DefaultServer is where `strm serve` listens unless told otherwise.
const DefaultServer = "http://127.0.0.1:7766"

// tokenFile is the name of the admin token's file in a data directory.
const tokenFile = "admin.token"

// settings is how to reach the server and how to print. Precedence: flag, then
// environment (STRM_SERVER and so on), then config file, then default.
type settings struct {
	Server    string
	Token     string
	TokenFile string
	Data      string
	CACert    string
	Output    string

	tokenFrom string       // for messages; never the token itself
	unread    []string     // token files that are there but may not be read
	rest      *koanf.Koanf // all levels, for the flags of single commands
}

// connectionFlags holds the flags that every command has.
type connectionFlags struct {
	server, token, tokenFile, data, caCert, output, config string
}

func (a *app) addConnectionFlags(root *cobra.Command) {
	f, p := &a.flags, root.PersistentFlags()
	p.StringVar(&f.server, "server", "", "server address (env STRM_SERVER; default "+DefaultServer+")")
	p.StringVar(&f.token, "token", "", "access token (env STRM_TOKEN; better there or in a file than on the command line)")
	p.StringVar(&f.tokenFile, "token-file", "", "file that holds the access token (env STRM_TOKEN_FILE)")
	p.StringVar(&f.data, "data", "", "data directory of a server on this machine, for its admin token (env STRM_DATA)")
	p.StringVar(&f.caCert, "ca-cert", "", "PEM file of the authority that signed the server's certificate (env STRM_CA_CERT)")
	p.StringVar(&f.config, "config", "", "config file (env STRM_CONFIG; default ~/.config/strm/config.yaml)")
	p.StringVarP(&f.output, "output", "o", "", "output format: "+strings.Join(render.Formats(), ", ")+" (env STRM_OUTPUT; default json)")
	complete(root, "output", render.Formats()...)
	_ = root.MarkPersistentFlagFilename("ca-cert", "pem", "crt") // the flags exist: they were made above
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	_ = root.MarkPersistentFlagDirname("data")
}

// load reads the settings once.
func (a *app) load(cmd *cobra.Command) (*settings, error) {
	if a.loaded {
		return &a.settings, nil
	}
	k := koanf.New(".")
	path, must := a.configFile(cmd)
	if path != "" {
		level := koanf.New(".")
		err := level.Load(file.Provider(path), yaml.Parser())
		switch {
		case err == nil:
			if err := checkKeys(cmd, path, level); err != nil {
				return nil, err
			}
			if err := merge(k, level); err != nil {
				return nil, err
			}
		case must || !errors.Is(err, fs.ErrNotExist):
			return nil, surroundings("config file %s: %w", path, err)
		}
	}
	level := koanf.New(".")
	if err := level.Load(env.Provider(".", env.Opt{Prefix: "STRM_", EnvironFunc: a.environ, TransformFunc: envKey}), nil); err != nil {
		return nil, surroundings("environment: %w", err)
	}
	if err := merge(k, level); err != nil {
		return nil, err
	}
	level = koanf.New(".")
	if err := level.Load(confmap.Provider(a.changed(cmd), "."), nil); err != nil {
		return nil, surroundings("flags: %w", err)
	}
	if err := merge(k, level); err != nil {
		return nil, err
	}
	a.settings = settings{
		Server: k.String("server"), Token: strings.TrimSpace(k.String("token")), TokenFile: k.String("token-file"), Data: k.String("data"),
		CACert: k.String("ca-cert"), Output: k.String("output"), rest: k,
	}
	if a.settings.Server == "" {
		a.settings.Server = DefaultServer
	}
	if a.settings.Output == "" {
		a.settings.Output = string(render.JSON)
	}
	a.loaded = true
	return &a.settings, nil
}

// checkKeys refuses a config file with a key that nobody reads: a slip of the
// pen would otherwise leave a default in force.
func checkKeys(cmd *cobra.Command, path string, file *koanf.Koanf) error {
	known := map[string]bool{}
	note := func(f *pflag.Flag) { known[f.Name] = true }
	cmd.Root().PersistentFlags().VisitAll(note)
	for _, c := range cmd.Root().Commands() {
		if c.Name() == "serve" || c.Name() == "migrate" {
			c.LocalNonPersistentFlags().VisitAll(note)
		}
	}
	for _, key := range file.Keys() {
		if !known[key] {
			return usagef("config file %s: nothing is called %q; its keys are the long options of strm serve --help", path, key)
		}
	}
	return nil
}

// merge lays a level over those below it. A level that gives a token in one
// form replaces both forms of the levels below.
func merge(k, level *koanf.Koanf) error {
	if level.String("token") != "" || level.String("token-file") != "" {
		k.Delete("token")
		k.Delete("token-file")
	}
	if err := k.Merge(level); err != nil {
		return surroundings("settings: %w", err)
	}
	return nil
}

// envKey turns STRM_TOKEN_FILE into token-file. Empty variables count as unset.
func envKey(k, v string) (string, any) {
	if v == "" {
		return "", nil
	}
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(k, "STRM_")), "_", "-"), v
}

// changed returns the connection flags that were given. A command may have a
// flag of its own by one of these names; then that one counts.
func (a *app) changed(cmd *cobra.Command) map[string]any {
	out := map[string]any{}
	for _, name := range []string{"server", "token", "token-file", "data", "ca-cert", "output"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			out[name] = f.Value.String()
		}
	}
	return out
}

// configFile returns the config file's path and whether it must exist.
func (a *app) configFile(cmd *cobra.Command) (string, bool) {
	if f := cmd.Flags().Lookup("config"); f != nil && f.Changed {
		return f.Value.String(), true
	}
	if p := a.env("STRM_CONFIG"); p != "" {
		return p, true
	}
	if d := a.userDir("XDG_CONFIG_HOME", ".config"); d != "" {
		return filepath.Join(d, "strm", "config.yaml"), false
	}
	return "", false
}

// environ returns the environment with each variable once, the last one given
// winning.
func (a *app) environ() []string {
	var out []string
	at := map[string]int{}
	for _, e := range a.deps.Env {
		k, _, _ := strings.Cut(e, "=")
		if i, ok := at[k]; ok {
			out[i] = e
			continue
		}
		at[k] = len(out)
		out = append(out, e)
	}
	return out
}

// env returns a variable of the environment, the last one given winning.
func (a *app) env(name string) string {
	for i := len(a.deps.Env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(a.deps.Env[i], "="); ok && k == name {
			return v
		}
	}
	return ""
}

// userDir returns a directory of the XDG scheme, or "" without a home.
func (a *app) userDir(variable, below string) string {
	if d := a.env(variable); filepath.IsAbs(d) {
		return d
	}
	if h := a.env("HOME"); h != "" {
		return filepath.Join(h, below)
	}
	return ""
}

// findToken fills in the token: as given, from the file given, or for a server
// on this machine from its data directory. Finding none is no error yet: the
// server's answer tells whether it matters.
func (a *app) findToken() error {
	s := &a.settings
	if s.Token != "" {
		s.tokenFrom = "--token or STRM_TOKEN"
		return nil
	}
	if s.TokenFile != "" {
		b, err := os.ReadFile(s.TokenFile)
		if err != nil {
			return surroundings("token file: %w", err)
		}
		s.Token, s.tokenFrom = strings.TrimSpace(string(b)), s.TokenFile
		return nil
	}
	u, err := apiclient.ParseServer(s.Server)
	if err != nil {
		return err
	}
	if !apiclient.Loopback(u) {
		return nil
	}
	for _, dir := range a.dataDirs() {
		path := filepath.Join(dir, tokenFile)
		b, err := os.ReadFile(path)
		if err == nil {
			s.Token, s.tokenFrom = strings.TrimSpace(string(b)), path
			return nil
		}
		if errors.Is(err, fs.ErrPermission) {
			s.unread = append(s.unread, path)
		}
	}
	return nil
}

// dataDirs returns where a local server's data may be.
func (a *app) dataDirs() []string {
	// A node of several has its token beside its data.
	if secrets := a.settings.rest.String("secrets"); secrets != "" {
		return []string{secrets}
	}
	if a.settings.Data != "" {
		return []string{a.settings.Data}
	}
	dirs := []string{defaultData}
	if d := a.userDir("XDG_DATA_HOME", filepath.Join(".local", "share")); d != "" {
		dirs = append(dirs, filepath.Join(d, "strm"))
	}
	return append(dirs, "/var/lib/strm")
}
