package main

import (
	"context"
	"errors"
	"fmt"
)

type migrateCommand struct{}

// Run brings the database to the schema of this binary, as its owner. It can be interrupted and run again.
func (migrateCommand) Run(ctx context.Context) (err error) {
	c, err := readConfig()
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	done, err := db.migrate(ctx)
	if err != nil {
		return err
	}
	if !done.Changed {
		fmt.Printf("schema %d: nothing to do\n", done.To)
		return nil
	}
	for _, file := range done.Applied {
		fmt.Println("applied", file)
	}
	fmt.Printf("schema %d\n", done.To)
	return nil
}
