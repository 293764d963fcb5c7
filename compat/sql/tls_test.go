package sql

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"keelson/compat/harness"
)

// TestTLSToTheDatabase gives the files by flags: the server is verified, and the client too.
func TestTLSToTheDatabase(t *testing.T) {
	t.Parallel()
	files, err := harness.NewTLS(t.TempDir())
	must(t, err)
	others, err := harness.NewTLS(t.TempDir())
	must(t, err)
	p := harness.StartPostgres(t)
	must(t, p.UseTLS(files))
	url, err := p.CreateDatabase()
	must(t, err)
	plain := url
	url, _, _ = strings.Cut(url, "?")
	client := []string{"--backend-cert-file=" + files.ClientCert, "--backend-key-file=" + files.ClientKey}
	flags := append([]string{"--backend-ca-file=" + files.CAFile}, client...)
	harness.Start(t, harness.Options{Kind: harness.Postgres, Database: url, Flags: flags})
	used, err := p.Exec("postgres", "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "+
		"WHERE usename = 'keelson' AND NOT ssl")
	must(t, err)
	if used != "0" {
		t.Errorf("%s connections are without TLS", used)
	}
	for what, c := range map[string]struct {
		url   string
		flags []string
		word  string
	}{
		"another authority":  {url, append([]string{"--backend-ca-file=" + others.CAFile}, client...), "certificate verify failed"},
		"no client's own":    {url, flags[:1], "certificate"},
		"without TLS":        {plain, nil, "no encryption"},
		"a file not there":   {url, append([]string{"--backend-ca-file=/nowhere.pem"}, client...), "/nowhere.pem"},
		"another server":     {strings.Replace(url, "127.0.0.1", "127.0.0.2", 1) + "?hostaddr=127.0.0.1", flags, "127.0.0.2"},
		"a key for everyone": {url, openKey(t, files, flags), "permission"},
	} {
		t.Run(what, func(t *testing.T) {
			if text := refusal(t, c.url, c.flags...); !strings.Contains(text, c.word) {
				t.Errorf("%q does not say %q", text, c.word)
			}
		})
	}
}

// openKey gives the flags with a copy of the key that everybody may read.
func openKey(t *testing.T, files *harness.TLS, flags []string) []string {
	t.Helper()
	text, err := os.ReadFile(files.ClientKey)
	must(t, err)
	path := t.TempDir() + "/key"
	must(t, os.WriteFile(path, text, 0o644))
	return append(append([]string{}, flags[:2]...), "--backend-key-file="+path)
}

// TestConnectionsAreFew: a process holds no more connections than the least that may be configured.
func TestConnectionsAreFew(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	most := 0
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		_, err := c.instances[0].put(t.Context(), "k", unique("v"))
		must(t, err)
		_, err = c.instances[1].await(recovery)
		must(t, err)
		text, err := c.postgres.Exec("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'keelson'")
		must(t, err)
		n, err := strconv.Atoi(text)
		must(t, err)
		most = max(most, n)
	}
	t.Logf("%d connections of two processes", most)
	if most == 0 || most > 2*4 {
		t.Errorf("%d connections of two processes, expected at most 8", most)
	}
}
