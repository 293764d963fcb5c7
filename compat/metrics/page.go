// Package metrics holds the metrics page against etcd's: every family has etcd's name, type, labels and
// buckets, what etcd has and Keelson has not is named here with the reason, and each family that is there
// is moved by a test or named with the reason why it stands still.
package metrics

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// page is one reading: the families, and the value of each series by its text. A histogram has one series
// for each of its lines.
type page struct {
	families map[string]*dto.MetricFamily
	series   map[string]string
}

func read(t *testing.T, url string) page {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	answer, err := client.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	want := "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
	if got := answer.Header.Get("Content-Type"); got != want {
		t.Fatalf("content type %q", got)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parse(answer.Header, string(body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parse(header http.Header, text string) (page, error) {
	found, err := families(header, text)
	if err != nil {
		return page{}, err
	}
	p := page{families: found, series: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "# ") {
			continue
		}
		space := strings.LastIndexByte(line, ' ')
		if space < 0 {
			return p, fmt.Errorf("line %q", line)
		}
		if _, twice := p.series[line[:space]]; twice {
			return p, fmt.Errorf("series %q twice", line[:space])
		}
		p.series[line[:space]] = line[space+1:]
	}
	return p, nil
}

// family of a series, by the families that the page names.
func (p page) family(series string) string {
	name, _, _ := strings.Cut(series, "{")
	if p.families[name] != nil {
		return name
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base := strings.TrimSuffix(name, suffix); p.families[base] != nil {
			return base
		}
	}
	return ""
}

// changed adds the families of which a series differs between the two pages.
func changed(before, after page, into map[string]bool) {
	for series, value := range after.series {
		if old, known := before.series[series]; !known || old != value {
			into[after.family(series)] = true
		}
	}
}

// etcdFamilies reads etcd_metrics.tsv: name to type.
func etcdFamilies(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.Open("etcd_metrics.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	families := map[string]string{}
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		name, kind, found := strings.Cut(scanner.Text(), "\t")
		if found && !strings.HasPrefix(name, "#") {
			families[name] = kind
		}
	}
	return families
}
