package metrics

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// families reads a page with Prometheus' own parser and checks what that one lets pass.
func families(header http.Header, body string) (map[string]*dto.MetricFamily, error) {
	if got := expfmt.ResponseFormat(header).FormatType(); got != expfmt.TypeTextPlain {
		return nil, fmt.Errorf("a page of format %d", got)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	found, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, family := range found {
		for _, prefix := range []string{"# HELP ", "# TYPE "} {
			if n := strings.Count("\n"+body, "\n"+prefix+name+" "); n != 1 {
				return nil, fmt.Errorf("%s: %d lines of %s", name, n, prefix)
			}
		}
		if family.GetHelp() == "" {
			return nil, fmt.Errorf("%s has no help", name)
		}
		if err := checkSamples(family); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return found, nil
}

// checkSamples holds a family to the rules of the format that a parser does not need: each series once,
// its labels once, and of a histogram ascending buckets that add up.
func checkSamples(family *dto.MetricFamily) error {
	seen := map[string]bool{}
	for _, metric := range family.Metric {
		names := labelNames(metric)
		if len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
			return fmt.Errorf("labels %v", names)
		}
		series := labelText(metric)
		if seen[series] {
			return fmt.Errorf("{%s} twice", series)
		}
		seen[series] = true
		if family.GetType() != dto.MetricType_HISTOGRAM {
			continue
		}
		if err := checkHistogram(metric.GetHistogram()); err != nil {
			return fmt.Errorf("{%s}: %w", series, err)
		}
	}
	return nil
}

func checkHistogram(histogram *dto.Histogram) error {
	bound, count := math.Inf(-1), uint64(0)
	for _, bucket := range histogram.Bucket {
		if bucket.GetUpperBound() <= bound || bucket.GetCumulativeCount() < count {
			return fmt.Errorf("bucket %v of %d follows %v of %d",
				bucket.GetUpperBound(), bucket.GetCumulativeCount(), bound, count)
		}
		bound, count = bucket.GetUpperBound(), bucket.GetCumulativeCount()
	}
	if !math.IsInf(bound, 1) {
		return fmt.Errorf("the last bucket is %v", bound)
	}
	if histogram.SampleCount == nil || histogram.SampleSum == nil || histogram.GetSampleCount() != count {
		return fmt.Errorf("sum %v, count %v, and %d in the buckets",
			histogram.SampleSum, histogram.SampleCount, count)
	}
	return nil
}

func labelNames(metric *dto.Metric) []string {
	var names []string
	for _, label := range metric.Label {
		names = append(names, label.GetName())
	}
	return names
}

// labelText is a series' labels, sorted by name.
func labelText(metric *dto.Metric) string {
	var pairs []string
	for _, label := range metric.Label {
		pairs = append(pairs, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// shape is what all series of a family share: its type, the names of its labels, its buckets' bounds.
func shape(family *dto.MetricFamily) string {
	metric := family.Metric[0]
	names := labelNames(metric)
	slices.Sort(names)
	var bounds []float64
	for _, bucket := range metric.GetHistogram().GetBucket() {
		bounds = append(bounds, bucket.GetUpperBound())
	}
	return fmt.Sprintf("%s %v %v", family.GetType(), names, bounds)
}
