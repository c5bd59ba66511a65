package pg

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrAddress: a database address that cannot be read or does not say enough. Its text never repeats the address, which
// may hold a password.
var ErrAddress = errors.New("database address: want postgres://USER@HOST/DATABASE, or host=… user=… dbname=…")

// unsaid is what we say for an address that does not: PostgreSQL's own defaults. pgx lets a PG* variable fill in
// whatever the address leaves out, so that nothing may be left out (G4).
var unsaid = []struct{ key, value string }{
	{"port", "5432"}, {"options", ""}, {"connect_timeout", "5"}, {"target_session_attrs", "any"},
	{"sslmode", "prefer"}, {"sslnegotiation", "postgres"}, {"sslsni", "1"}, {"channel_binding", "prefer"},
	{"require_auth", ""}, {"min_protocol_version", "3.0"}, {"max_protocol_version", "3.0"},
}

// parse reads an address, a URL or keyword=value pairs. It must name host and database; the user is by default the
// account we run as.
func parse(dsn string) (*pgxpool.Config, error) {
	add, said := appendURL, saidByURL
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		add, said = appendPair, saidByPairs
	}
	says, ok := said(dsn)
	if !ok || !slices.Contains(says, "host") || !slices.Contains(says, "database") {
		return nil, ErrAddress
	}
	if os.Getenv("PGSERVICE") != "" && !slices.Contains(says, "service") {
		return nil, fmt.Errorf("%w; and unset PGSERVICE, which the driver would follow", ErrAddress)
	}
	for _, u := range unsaid {
		if !slices.Contains(says, u.key) {
			dsn = add(dsn, u.key, u.value)
		}
	}
	if !slices.Contains(says, "user") {
		me, err := user.Current()
		if err != nil {
			return nil, ErrAddress
		}
		dsn = add(dsn, "user", me.Username)
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil || cfg.ConnConfig.Host == "" || cfg.ConnConfig.Database == "" {
		return nil, ErrAddress // pgx's own text redacts what it recognises as a password, and no more
	}
	if cfg.ConnConfig.RuntimeParams["options"] == "" {
		delete(cfg.ConnConfig.RuntimeParams, "options")
	}
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	return cfg, nil
}

func appendURL(dsn, key, value string) string {
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	return dsn + separator + key + "=" + url.QueryEscape(value)
}

func appendPair(dsn, key, value string) string {
	return dsn + " " + key + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// saidByURL lists what a URL says. Its authority may name several hosts, which net/url does not read.
func saidByURL(dsn string) (says []string, ok bool) {
	_, rest, _ := strings.Cut(dsn, "://")
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if strings.Trim(path, "/") != "" {
		says = append(says, "database")
	}
	hosts := authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		hosts = authority[at+1:]
		if name, _, _ := strings.Cut(authority[:at], ":"); name != "" {
			says = append(says, "user")
		}
	}
	if hosts != "" {
		says = append(says, "host")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']') {
			says = append(says, "port")
		}
	}
	params, err := url.ParseQuery(query)
	for key := range params {
		says = append(says, canonical(key))
	}
	return says, err == nil && !strings.ContainsAny(dsn, " \t\r\n#")
}

// saidByPairs lists what keyword=value pairs say. A value may be in single quotes, with backslash escapes.
func saidByPairs(dsn string) (says []string, ok bool) {
	const space = " \t\n\r\v\f"
	for rest := strings.TrimLeft(dsn, space); rest != ""; rest = strings.TrimLeft(rest, space) {
		key, value, found := strings.Cut(rest, "=")
		if !found {
			return nil, false
		}
		says = append(says, canonical(strings.Trim(key, space)))
		value = strings.TrimLeft(value, space)
		quoted := strings.HasPrefix(value, "'")
		if quoted {
			value = value[1:]
		}
		end, escaped := 0, false
		for ; end < len(value); end++ {
			c := value[end]
			if !escaped && (quoted && c == '\'' || !quoted && strings.IndexByte(space, c) >= 0) {
				break
			}
			escaped = !escaped && c == '\\'
		}
		if quoted && end == len(value) {
			return nil, false
		}
		rest = value[min(end+1, len(value)):]
	}
	return says, true
}

// canonical is pgx's name of a key.
func canonical(key string) string {
	if key == "dbname" {
		return "database"
	}
	return key
}
