package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ThreadTimes gives each present thread's nanoseconds on a processor, by the scheduler's own count.
func ThreadTimes(pid int) (map[string]int64, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("harness: process %d is gone", pid)
	}
	out := make(map[string]int64, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread ended between the listing and the reading
		}
		first, _, _ := strings.Cut(string(text), " ")
		if out[file], err = strconv.ParseInt(first, 10, 64); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ProcessCPU is the seconds that a process's present threads have spent on a processor.
func ProcessCPU(pid int) (float64, error) {
	times, err := ThreadTimes(pid)
	total := int64(0)
	for _, spent := range times {
		total += spent
	}
	return float64(total) / 1e9, err
}

// ResidentMiB is the memory that a process has in RAM.
func ResidentMiB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("harness: process %d has no VmRSS", pid)
}
