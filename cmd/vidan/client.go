package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"vidan/auth"
	"vidan/identity"
)

type clientCommand struct {
	Organisation clientOrganisation `cmd:"" help:"Register an organisation."`
	Add          clientAdd          `cmd:"" help:"Register a client. It can do nothing before it has a key and a mandate."`
	Key          clientKey          `cmd:"" help:"Register a public key (JWK, from a file) of a client; several may be valid at once."`
	EndKey       clientEndKey       `cmd:"" help:"End a key at the next request of every process."`
	Mandate      clientMandate      `cmd:"" help:"Let a client act for an organisation."`
	EndMandate   clientEndMandate   `cmd:"" help:"End a mandate at the next request of every process."`
	Officer      clientOfficer      `cmd:"" help:"Register that a person holds a post: their own sign-in then names them. Their personal number is read from standard input."`
	EndOfficer   clientEndOfficer   `cmd:"" help:"End a post at the next request of every process."`
	Block        clientBlock        `cmd:"" help:"Block a client at the next request of every process, tokens already issued included."`
	Unblock      clientUnblock      `cmd:"" help:"Let a blocked client work again."`
}

// directory opens the register of clients of this deployment for one command.
func directory(ctx context.Context, use func(*auth.Directory) error) error {
	return withDeployment(ctx, func(pool *pgxpool.Pool, dep *deployment) error {
		directory := auth.NewDirectory(pool, dep.seal)
		if dep.kind == kindSandbox {
			directory = directory.Rehearsal()
		}
		return use(directory)
	})
}

// withDeployment opens the deployment of the configured database, of whatever kind, for one command.
func withDeployment(ctx context.Context, use func(*pgxpool.Pool, *deployment) error) (err error) {
	c, err := readConfig()
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	pool, err := db.pool(ctx, c)
	if err != nil {
		return err
	}
	defer pool.Close()
	row, err := readDeployment(ctx, pool)
	if err != nil {
		return err
	}
	dep, err := openDeployment(ctx, c, pool, row.Kind)
	if err != nil {
		return err
	}
	return use(pool, dep)
}

type clientOrganisation struct {
	ID     string `arg:"" help:"Lower-case id, for instance xa-dai-son."`
	VI     string `required:"" help:"Name in Vietnamese, as people see it."`
	EN     string `required:"" help:"Name in English."`
	Kind   string `required:"" help:"commune, police, social_insurance, school, registrar, …"`
	Parent string `help:"Id of the organisation above."`
	Sector string `help:"Sector of pairwise ids; its own when left out."`
}

func (c clientOrganisation) Run(ctx context.Context) error {
	return directory(ctx, func(d *auth.Directory) error {
		return d.AddOrganisation(ctx, auth.Organisation{ID: c.ID, NameVI: c.VI, NameEN: c.EN, Kind: c.Kind, Parent: c.Parent, Sector: c.Sector}, time.Now())
	})
}

type clientAdd struct {
	ID           string   `arg:""`
	Organisation string   `help:"Who runs it; empty for a citizen's app."`
	Name         string   `required:"" help:"What people see."`
	Profile      string   `enum:"fapi2,app" default:"fapi2" help:"fapi2 for agencies, app for citizens' apps."`
	Scopes       []string `required:"" help:"results, consent, prefill, events, registrar; openid, wallet, offline_access; introspect for who guards resources."`
	RedirectURIs []string `name:"redirect-uri" help:"Where sign-in may lead back to."`
	Signed       bool     `name:"userinfo-signed" help:"What it is told of people is a signed JWT."`
	Encryption   []byte   `name:"encryption-key" type:"filecontent" help:"File with a public P-256 JWK to which that is encrypted as well."`
}

func (c clientAdd) Run(ctx context.Context) error {
	return directory(ctx, func(d *auth.Directory) error {
		return d.AddClient(ctx, auth.Client{
			ID: c.ID, Organisation: c.Organisation, Name: c.Name, Profile: auth.Profile(c.Profile), Scopes: c.Scopes, RedirectURIs: c.RedirectURIs,
			UserinfoSigned: c.Signed, Encryption: c.Encryption,
		}, time.Now())
	})
}

type clientKey struct {
	Client string `arg:""`
	JWK    string `arg:"" type:"existingfile" help:"File with the public JWK; its kid names the key."`
}

func (c clientKey) Run(ctx context.Context) error {
	raw, err := os.ReadFile(c.JWK)
	if err != nil {
		return err
	}
	return directory(ctx, func(d *auth.Directory) error {
		_, err := d.AddKey(ctx, c.Client, raw, time.Now())
		return err
	})
}

type clientEndKey struct {
	Client string `arg:""`
	KID    string `arg:"" name:"kid"`
}

func (c clientEndKey) Run(ctx context.Context) error {
	return directory(ctx, func(d *auth.Directory) error { return d.EndKey(ctx, c.Client, c.KID, time.Now()) })
}

type clientMandate struct {
	Client        string        `arg:""`
	Organisation  string        `arg:""`
	Units         []string      `default:"*" help:"Units; * for all."`
	DocumentTypes []string      `name:"type" help:"Document types it may deliver."`
	Procedures    []string      `name:"procedure" help:"Procedures it may deliver results of, or ask for."`
	Relations     []string      `name:"relation" help:"Relations that take effect at once on its word."`
	Rights        []string      `required:"" help:"deliver, open_vault, request, resolve; enrol, level, bind, contact, recover, death, relation."`
	For           time.Duration `default:"8760h" help:"How long it holds."`
}

func (c clientMandate) Run(ctx context.Context) error {
	return directory(ctx, func(d *auth.Directory) error {
		rights := make([]auth.Right, len(c.Rights))
		for i, r := range c.Rights {
			rights[i] = auth.Right(r)
		}
		now := time.Now()
		id, err := d.AddMandate(ctx, auth.Mandate{
			Client: c.Client, Organisation: c.Organisation, Units: c.Units, DocumentTypes: c.DocumentTypes, Procedures: c.Procedures,
			Relations: c.Relations, Rights: rights, From: now, Until: now.Add(c.For),
		})
		if err == nil {
			fmt.Println(id)
		}
		return err
	})
}

type clientEndMandate struct {
	ID string `arg:"" help:"As printed when it was given."`
}

func (c clientEndMandate) Run(ctx context.Context) error {
	id, err := identity.Parse[identity.ObjectID](c.ID)
	if err != nil {
		return err
	}
	return directory(ctx, func(d *auth.Directory) error { return d.EndMandate(ctx, id) })
}

type clientBlock struct {
	Client string `arg:""`
}

func (c clientBlock) Run(ctx context.Context) error {
	return directory(ctx, func(d *auth.Directory) error { return d.BlockClient(ctx, c.Client) })
}

type clientUnblock struct {
	Client string `arg:""`
}

func (c clientUnblock) Run(ctx context.Context) error {
	return directory(ctx, func(d *auth.Directory) error { return d.UnblockClient(ctx, c.Client) })
}
