package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"testing"
)

// TestBench runs the whole benchmark with a handful of requests: every line is there and well-formed, and the floor runs the server's statements.
// What the figures are is nobody's business here.
func TestBench(t *testing.T) {
	t.Parallel()
	cmd := command(t, folder(t), nil, "bench", "--requests", "20", "--concurrency", "1", "--rounds", "1", "--quiet")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, errors.String())
	}
	type line struct {
		Name       string  `json:"name"`
		C          int     `json:"c"`
		Value      float64 `json:"value"`
		Unit       string  `json:"unit"`
		Floor      float64 `json:"floor"`
		Ratio      float64 `json:"ratio"`
		Postgres   float64 `json:"pg_us"`
		RoundTrips int     `json:"round_trips"`
		P50        float64 `json:"p50_ms"`
		P99        float64 `json:"p99_ms"`
	}
	got := map[string]line{}
	for raw := range bytes.Lines(out) {
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		got[l.Name] = l
	}
	units := map[string]string{"rss.idle_mib": "MiB", "rss.bench_mib": "MiB", "http.cpu_us": "us/request", "load.before": "processes"}
	for _, operation := range []string{"token", "token_refresh", "introspect", "store", "read", "prefill"} {
		for figure, unit := range map[string]string{"cpu_us": "us/request", "rps": "1/s", "allocs": "1/request", "wal_bytes": "B/request"} {
			units[fmt.Sprintf("%s.%s", operation, figure)] = unit
		}
		if l := got[operation+".cpu_us"]; l.Floor <= 0 || l.RoundTrips < 1 || l.Postgres <= 0 || math.Abs(l.Ratio-l.Value/l.Floor) > 0.1*l.Ratio {
			t.Errorf("processor time of %s: %+v", operation, l)
		}
		if l := got[operation+".rps"]; l.P50 <= 0 || l.P99 < l.P50 {
			t.Errorf("requests per second of %s: %+v", operation, l)
		}
	}
	for name, unit := range units {
		if l := got[name]; l.Value <= 0 && name != "load.before" || l.Unit != unit {
			t.Errorf("%s: %+v", name, l)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("a line %s that nobody asked for", name)
	}
}
