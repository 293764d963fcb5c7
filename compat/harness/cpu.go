package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ProcessCPU is the seconds that a process's present threads have spent on a processor, by the
// scheduler's count of nanoseconds.
func ProcessCPU(pid int) (float64, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("harness: process %d is gone", pid)
	}
	total := 0.0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread ended between the listing and the reading
		}
		first, _, _ := strings.Cut(string(text), " ")
		spent, err := strconv.ParseFloat(first, 64)
		if err != nil {
			return 0, err
		}
		total += spent / 1e9
	}
	return total, nil
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
