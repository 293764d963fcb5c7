package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// goal is one line of the table: a figure of a phase, as a ratio of Keelson's to etcd's.
type goal struct {
	phase   string
	what    string // the operation and the figure, for the reader
	figure  func(sample) float64
	limit   float64
	atLeast bool // the ratio must reach the limit instead of staying below it
}

func cpuOf(s sample) float64   { return s.cpuMicro() }
func rateOf(s sample) float64  { return s.rate() }
func p50Of(s sample) float64   { return s.p50 }
func worstOf(s sample) float64 { return s.worst }
func rssOf(s sample) float64   { return s.rss }

var servers = []string{"etcd", "keelson"}

var goals = []goal{
	{"create", "create: CPU us", cpuOf, .25, false},
	{"create", "create: per second", rateOf, 1.6, true},
	{"update", "update: CPU us", cpuOf, .25, false},
	{"delete", "delete: CPU us", cpuOf, .25, false},
	{"get", "get: CPU us", cpuOf, .15, false},
	{"list", "list of 10,000: CPU us", cpuOf, .15, false},
	{"list beside churn", "the same beside 5,000 creates and deletes/s: CPU us", cpuOf, .25, false},
	{"watch", "event at one of 50 watchers: CPU us", cpuOf, .12, false},
	{"create, one caller", "create by one caller: p50 ms", p50Of, .9, false},
	{"large list", "two large lists at once: s until both", worstSeconds, .05, false},
	{"restart", "start-up: ms", p50Of, .5, false},
	{"restart", "resident after restart and a list: MiB", rssOf, .7, false},
}

func worstSeconds(s sample) float64 { return s.worst / 1e3 }

func medianOf(samples []sample, figure func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = figure(s)
	}
	return median(values)
}

func (r *runner) medianOf(phase, server string, figure func(sample) float64) float64 {
	return medianOf(r.samples[phase][server], figure)
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "NOT MET"
}

// report prints the table and tells whether every goal in it was met.
func (r *runner) report(to io.Writer) bool {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "figure\tetcd ops/s\tp50 ms\tp99 ms\tetcd\tkeelson ops/s\tp50 ms\tp99 ms\tkeelson\tratio\tgoal\t\t")
	good := true
	for _, g := range goals {
		if len(r.samples[g.phase]["etcd"]) == 0 {
			continue
		}
		_, _ = fmt.Fprintf(table, "%s\t", g.what)
		for _, server := range servers {
			if len(r.samples[g.phase][server]) == 0 {
				continue
			}
			_, _ = fmt.Fprintf(table, "%.0f\t%.2f\t%.2f\t%.2f\t", r.medianOf(g.phase, server, rateOf),
				r.medianOf(g.phase, server, p50Of), r.medianOf(g.phase, server, p99Of), r.medianOf(g.phase, server, g.figure))
		}
		if len(r.samples[g.phase]["keelson"]) == 0 {
			_, _ = fmt.Fprintln(table)
			continue
		}
		ratio := r.medianOf(g.phase, "keelson", g.figure) / r.medianOf(g.phase, "etcd", g.figure)
		met, sign := ratio <= g.limit, "<="
		if g.atLeast {
			met, sign = ratio >= g.limit, ">="
		}
		good = good && met
		_, _ = fmt.Fprintf(table, "%.3f\t%s %.2f\t%s\t\n", ratio, sign, g.limit, verdict(met))
	}
	_ = table.Flush()
	return r.reportPause(to) && good
}

func p99Of(s sample) float64 { return s.p99 }

// reportPause holds each server's worst put during a compaction against its own worst without one.
func (r *runner) reportPause(to io.Writer) bool {
	const limit = 1.5
	good := true
	for _, server := range servers {
		samples := r.samples["compaction"][server]
		if len(samples) == 0 {
			continue
		}
		with, without := medianOf(samples, worstOf), medianOf(samples, p99Of)
		_, _ = fmt.Fprintf(to, "compaction of %d revisions under load, %s: worst put %.1f ms, without %.1f ms, ratio %.2f",
			r.size.compacted, server, with, without, with/without)
		if server == "keelson" {
			met := with/without <= limit
			good = good && met
			_, _ = fmt.Fprintf(to, ", goal <= %.1f: %s", limit, verdict(met))
			last := samples[len(samples)-1]
			good = good && last.longSlices == 0
			_, _ = fmt.Fprintf(to, "; %.0f slices, %.0f over 1 ms, goal 0: %s", last.slices, last.longSlices,
				verdict(last.longSlices == 0))
		}
		_, _ = fmt.Fprintln(to)
	}
	return good
}
