package main

import (
	"fmt"
	"runtime/debug"

	"vidan/internal/pg"
	"vidan/migrations"
	"vidan/openapi"
)

type versionCommand struct{}

// Run prints the API version, the schema this binary expects, and what it was built from.
func (versionCommand) Run() error {
	schema, err := pg.Expected(migrations.FS)
	if err != nil {
		return err
	}
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	fmt.Printf("vidan %s, schema %d, revision %s\n", openapi.Version, schema, revision)
	return nil
}
