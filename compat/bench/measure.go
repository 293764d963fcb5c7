package main

import (
	"slices"
	"time"

	"keelson/compat/harness"
)

// sample is one phase on one server.
type sample struct {
	ops     float64 // how many operations the phase counts
	seconds float64 // wall time
	cpu     float64 // seconds that the server's threads spent on a processor
	rss     float64 // MiB resident at the end of the phase
	p50     float64 // milliseconds
	p99     float64
	worst   float64
	whole   float64 // cpu before another load's own cost was taken off it; 0: nothing was
	beside  float64 // operations per second of another load
	// CPU seconds of the database server under it
	database float64
	// Of compactions: slices of removal, and those of more than a millisecond.
	slices, longSlices float64
	ended              int // threads that ended during the phase, whose time is lost
}

func (s sample) rate() float64     { return s.ops / s.seconds }
func (s sample) cpuMicro() float64 { return s.cpu * 1e6 / s.ops }

func (s sample) databaseMicro() float64 { return s.database * 1e6 / s.ops }

// meter measures one phase of one process.
type meter struct {
	pid    int
	before map[string]int64
	start  time.Time
}

func startMeter(pid int) (*meter, error) {
	before, err := harness.ThreadTimes(pid)
	return &meter{pid: pid, before: before, start: time.Now()}, err
}

// stop ends the phase; `latencies` are those of its calls, in any order.
func (m *meter) stop(ops int, latencies []time.Duration) (sample, error) {
	s := sample{ops: float64(ops), seconds: time.Since(m.start).Seconds()}
	after, err := harness.ThreadTimes(m.pid)
	if err != nil {
		return s, err
	}
	var total int64
	for thread, now := range after {
		total += now - m.before[thread]
	}
	for thread := range m.before {
		if _, lives := after[thread]; !lives {
			s.ended++
		}
	}
	s.cpu = float64(total) / 1e9
	if s.rss, err = harness.ResidentMiB(m.pid); err != nil {
		return s, err
	}
	slices.Sort(latencies)
	s.p50, s.p99, s.worst = quantile(latencies, .5), quantile(latencies, .99), quantile(latencies, 1)
	return s, nil
}

// quantile of a sorted list, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))].Seconds() * 1e3
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
