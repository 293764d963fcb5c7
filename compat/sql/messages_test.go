package sql

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"keelson/compat/harness"
)

// refusal starts a server that must not start, and gives what it says at its end.
func refusal(t *testing.T, url string, flags ...string) string {
	t.Helper()
	server, err := harness.New(harness.Options{Kind: harness.Postgres, Database: url, Dir: t.TempDir(), Flags: flags,
		ReadyTimeout: 20 * time.Second})
	if err == nil {
		server.Kill()
		t.Fatalf("starts with %s", url)
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the password is shown: %v", err)
	}
	if !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("not refused: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	var last struct{ Level, Error string }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Error == "" {
		t.Fatalf("no word about it: %v: %s", err, lines[len(lines)-1])
	}
	return last.Error
}

// TestRefusalsSayWhy has every mistake that a new installation makes.
func TestRefusalsSayWhy(t *testing.T) {
	p, err := harness.SharedPostgres()
	must(t, err)
	url, err := p.CreateDatabase()
	must(t, err)
	port, err := harness.FreePort()
	must(t, err)
	name := harness.DatabaseOf(url)
	_, err = p.Exec("postgres", "CREATE ROLE poor LOGIN PASSWORD 's3cret'")
	must(t, err)
	poor := strings.Replace(url, "//keelson:", "//poor:", 1)
	for what, c := range map[string]struct {
		url   string
		flags []string
		words []string
	}{
		"wrong password": {strings.Replace(url, "s3cret", "s3cret-not", 1), nil, []string{"password authentication failed"}},
		"no database":    {strings.Replace(url, "/"+name+"?", "/nowhere?", 1), nil, []string{"nowhere", "does not exist"}},
		"nobody there":   {p.URLVia(port, name), nil, []string{"refused"}},
		"bad parameter":  {url + "&nonsense=1", nil, []string{"nonsense"}},
		"bad port":       {strings.Replace(url, fmt.Sprintf(":%d/", p.Port), ":port/", 1), nil, []string{"port"}},
		"no rights":      {poor, nil, []string{"permission denied"}},
		"no TLS there":   {strings.Replace(url, "sslmode=disable", "sslmode=require", 1), nil, []string{"SSL"}},
	} {
		t.Run(what, func(t *testing.T) {
			text := refusal(t, c.url, c.flags...)
			t.Log(text)
			for _, word := range c.words {
				if !strings.Contains(text, word) {
					t.Errorf("%q does not say %q", text, word)
				}
			}
		})
	}
}

// TestANewerSchemaIsRefused: what a newer version wrote an older one must not touch.
func TestANewerSchemaIsRefused(t *testing.T) {
	p, err := harness.SharedPostgres()
	must(t, err)
	url, err := p.CreateDatabase()
	must(t, err)
	server := harness.Start(t, harness.Options{Kind: harness.Postgres, Database: url})
	must(t, server.Stop())
	_, err = p.Exec(harness.DatabaseOf(url), "UPDATE keelson.schema_version SET version = 99")
	must(t, err)
	if text := refusal(t, url); !strings.Contains(text, "99") {
		t.Errorf("%q does not name the version", text)
	}
}

// TestASchemaThatIsThereNeedsNoRightToMakeOne: an administrator had made the schema for a role that may
// create nothing else in the database, and the role was refused for lack of the right to create schemas.
func TestASchemaThatIsThereNeedsNoRightToMakeOne(t *testing.T) {
	p, err := harness.SharedPostgres()
	must(t, err)
	url, err := p.CreateDatabase()
	must(t, err)
	_, err = p.Exec("postgres", "CREATE ROLE narrow LOGIN PASSWORD 's3cret'")
	must(t, err)
	_, err = p.Exec(harness.DatabaseOf(url), "CREATE SCHEMA given AUTHORIZATION narrow")
	must(t, err)
	harness.Start(t, harness.Options{Kind: harness.Postgres, Database: strings.Replace(url, "//keelson:", "//narrow:", 1),
		Flags: []string{"--backend-schema=given"}})
	count, err := p.Exec(harness.DatabaseOf(url), "SELECT count(*) FROM pg_tables WHERE schemaname = 'given' AND tablename = 'kv'")
	must(t, err)
	if count != "1" {
		t.Errorf("%s tables kv in the schema", count)
	}
}

// TestAStoreOfKineIsNotHidden: an empty store beside kine's table would look like a cluster that lost all.
func TestAStoreOfKineIsNotHidden(t *testing.T) {
	p, err := harness.SharedPostgres()
	must(t, err)
	url, err := p.CreateDatabase()
	must(t, err)
	name := harness.DatabaseOf(url)
	_, err = p.Exec(name, "CREATE TABLE kine (id int)")
	must(t, err)
	if text := refusal(t, url); !strings.Contains(text, "keelson migrate") {
		t.Errorf("%q does not say what to do", text)
	}
	_, err = p.Exec(name, "DROP TABLE kine")
	must(t, err)
	server := harness.Start(t, harness.Options{Kind: harness.Postgres, Database: url})
	_, err = p.Exec(name, "CREATE TABLE kine (id int)")
	must(t, err)
	must(t, server.Restart()) // what is there already is served
}

// TestTheShownCommandLineHasNoPassword looks where the command line is shown.
func TestTheShownCommandLineHasNoPassword(t *testing.T) {
	server := harness.Start(t, harness.Options{Kind: harness.Postgres})
	answer, err := http.Get(server.ClientURL + "/debug/vars")
	must(t, err)
	defer answer.Body.Close()
	vars, err := io.ReadAll(answer.Body)
	must(t, err)
	for what, text := range map[string]string{"/debug/vars": string(vars), "log": server.Log()} {
		if strings.Contains(text, "s3cret") || !strings.Contains(text, "postgres://keelson:***@127.0.0.1") {
			t.Errorf("%s: %s", what, text)
		}
	}
}
