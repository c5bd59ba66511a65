package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"vidan/openapi"
)

type openapiCommand struct {
	Out   string `help:"Folder to write openapi.yaml (3.1) and openapi-3.0.yaml (3.0.3) into." default:"openapi" type:"path"`
	Check bool   `help:"Write nothing; fail if what is there is not what would be written."`
}

// documentIssuer stands in the committed documents: where 'make run' serves by default. A server says its own in those it serves.
const documentIssuer = "http://127.0.0.1:8080"

// Run writes the API documents. They follow from the program alone: no database, no keys.
func (o openapiCommand) Run(context.Context) error {
	api := openapi.New(openapi.Deps{Issuer: documentIssuer})
	for name, write := range map[string]func() ([]byte, error){"openapi.yaml": api.YAML, "openapi-3.0.yaml": api.YAML30} {
		body, err := write()
		if err != nil {
			return err
		}
		path := filepath.Join(o.Out, name)
		if !o.Check {
			if err := os.WriteFile(path, body, 0o644); err != nil {
				return err
			}
			continue
		}
		committed, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if !bytes.Equal(committed, body) {
			return fmt.Errorf("%s is not what this program serves: run 'make generate' and commit it", path)
		}
	}
	return nil
}
