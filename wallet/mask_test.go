package wallet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"vidan/identity"
	"vidan/wallet"
)

// TestS5_NothingPrints sends everything that holds a paper through fmt, slog and JSON, alone and inside of something else.
func TestS5_NothingPrints(t *testing.T) {
	t.Parallel()
	c := setup(t)
	h := c.household()
	rev := c.revision(paper{vault: h.home, ref: "KS-12/2026", number: 1})
	doc := must(c.get(h.holder, h.doc, 0))(t)
	page := c.list(h.holder)
	for name, v := range map[string]any{
		"revision": rev, "document": doc, "pointer": &doc, "item": doc.Item, "page": page, "page pointer": &page,
		"holding":  wallet.Holding{Home: h.home, Holder: h.holder, Document: h.doc, Reason: "declarant"},
		"history":  wallet.RevisionInfo{Number: 77, State: wallet.Corrected},
		"inside":   struct{ Exported wallet.Document }{doc},
		"in a map": map[string]wallet.Item{"x": doc.Item}, "in a list": []wallet.Document{doc},
	} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		all := log.String() + string(encoded)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			all += fmt.Sprintf(verb, v)
		}
		for _, canary := range []string{"MINH AN", "099326000004", "birth_certificate", "Đại Sơn", "declarant", "KS-1", registry, "corrected", fmt.Sprintf("%x", "MINH AN"), "eyJ"} {
			if strings.Contains(all, canary) {
				t.Errorf("%s shows %q", name, canary)
			}
		}
	}
}

// TestS5_ErrorsNameOpaqueIDs: no error of a damaged, missing or refused paper says what it is about.
func TestS5_ErrorsNameOpaqueIDs(t *testing.T) {
	t.Parallel()
	c := setup(t)
	h := c.household()
	var all []string
	add := func(err error) {
		if err == nil {
			t.Error("no error")
			return
		}
		all = append(all, err.Error())
	}
	_, err := c.get(h.home, identity.DocumentID{}, 0)
	add(err)
	c.write(`update document_revisions set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)`)
	_, err = c.get(h.home, h.doc, 0)
	add(err)
	_, err = c.get(h.holder, h.doc, 0)
	add(err)
	_, err = c.RebuildHead(t.Context(), h.home, h.doc)
	add(err)
	c.write(`update holdings set mac = set_byte(mac, 20, get_byte(mac, 20) # 1)`)
	_, err = c.on(c.db.Pool).get(h.holder, h.doc, 0)
	add(err)
	add(c.store(c.revision(paper{vault: h.home, ref: "KS-" + h.home.String(), number: 1})))
	for _, text := range all {
		for _, canary := range []string{"MINH AN", "099326000004", "birth", "declarant", "KS-", registry} {
			if strings.Contains(text, canary) {
				t.Errorf("%q shows %q", text, canary)
			}
		}
	}
}
