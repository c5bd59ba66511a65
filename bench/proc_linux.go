package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/PID/stat: USER_HZ, 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// timeOf returns the processor time of one process, user and system. The scheduler's own count (schedstat) is exact to the nanosecond; where
// the kernel was built without it, the count of ticks has to do.
func timeOf(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, thread := range threads {
		raw, err := os.ReadFile(thread)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a thread that ended meanwhile; Go keeps its threads, PostgreSQL has one
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(raw), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", thread, err)
		}
		sum += time.Duration(ns)
	}
	if sum > 0 {
		return sum, nil
	}
	fields, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	return ticks(fields, statUser) + ticks(fields, statSystem), nil
}

// timeOfFamily returns the processor time of a process and all its children, those that have ended included.
func timeOfFamily(parent int) (time.Duration, error) {
	fields, err := statOf(parent)
	if err != nil {
		return 0, err
	}
	sum := ticks(fields, statChildUser) + ticks(fields, statChildSystem)
	own, err := timeOf(parent)
	if err != nil {
		return 0, err
	}
	sum += own
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return 0, err
		}
		fields, err := statOf(pid)
		if err != nil || fields[statParent] != strconv.Itoa(parent) {
			continue // ended meanwhile, or somebody else's
		}
		if child, err := timeOf(pid); err == nil {
			sum += child
		}
	}
	return sum, nil
}

// Fields of /proc/PID/stat behind the name of the program (proc(5)), counted from 0.
const (
	statParent      = 1
	statUser        = 11
	statSystem      = 12
	statChildUser   = 13
	statChildSystem = 14
)

func statOf(pid int) ([]string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	behind := raw[bytes.LastIndexByte(raw, ')')+1:] // the name may hold anything
	fields := strings.Fields(string(behind))
	if len(fields) <= statChildSystem {
		return nil, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	return fields, nil
}

func ticks(fields []string, at int) time.Duration {
	n, err := strconv.ParseInt(fields[at], 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(n) * tick
}

// residentOf returns the memory of a process that is resident now, and the most that ever was, in bytes.
func residentOf(pid int) (now, peak int64, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(raw)) {
		name, rest, _ := strings.Cut(line, ":")
		into := map[string]*int64{"VmRSS": &now, "VmHWM": &peak}[name]
		if into == nil {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/%d/status: %s: %w", pid, name, err)
		}
		*into = kib << 10
	}
	return now, peak, nil
}

// loadOf returns how many processes were running or waiting for a processor, averaged over the last minute.
func loadOf() (float64, error) {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return strconv.ParseFloat(first, 64)
}
