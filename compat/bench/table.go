package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// goal is one line of the table: a figure of a phase, as a ratio of Keelson's to the peer's.
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

var etcdGoals = []goal{
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
	_, _ = fmt.Fprint(table, "figure\t")
	for _, c := range r.contenders {
		_, _ = fmt.Fprintf(table, "%s ops/s\tp50 ms\tp99 ms\t", c.name)
		if r.database != nil {
			_, _ = fmt.Fprint(table, "database us\t")
		}
		_, _ = fmt.Fprintf(table, "%s\t", c.name)
	}
	_, _ = fmt.Fprintln(table, "ratio\tgoal\t\t")
	good := true
	for _, g := range r.goals {
		if len(r.samples[g.phase][r.contenders[0].name]) == 0 {
			continue
		}
		_, _ = fmt.Fprintf(table, "%s\t", g.what)
		met := r.reportGoal(table, g)
		good = good && met
	}
	_ = table.Flush()
	return r.reportPause(to) && good
}

func (r *runner) reportGoal(table io.Writer, g goal) bool {
	for _, c := range r.contenders {
		of := func(figure func(sample) float64) float64 { return r.medianOf(g.phase, c.name, figure) }
		_, _ = fmt.Fprintf(table, "%.0f\t%.2f\t%.2f\t", of(rateOf), of(p50Of), of(p99Of))
		if r.database != nil {
			_, _ = fmt.Fprintf(table, "%.1f\t", of(sample.databaseMicro))
		}
		_, _ = fmt.Fprintf(table, "%.2f\t", of(g.figure))
	}
	if len(r.contenders) < 2 {
		_, _ = fmt.Fprintln(table)
		return true
	}
	ratio := r.medianOf(g.phase, r.contenders[1].name, g.figure) / r.medianOf(g.phase, r.contenders[0].name, g.figure)
	met, sign := ratio <= g.limit, "<="
	if g.atLeast {
		met, sign = ratio >= g.limit, ">="
	}
	_, _ = fmt.Fprintf(table, "%.3f\t%s %.2f\t%s\t\n", ratio, sign, g.limit, verdict(met))
	return met
}

func p99Of(s sample) float64 { return s.p99 }

// reportPause holds each server's worst put during a compaction against its own worst without one.
func (r *runner) reportPause(to io.Writer) bool {
	const limit = 1.5
	good := true
	for _, c := range r.contenders {
		server := c.name
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
