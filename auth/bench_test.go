package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"vidan/internal/pg"
)

// The token path and the guard, taken apart, beside the raw primitives. Run alone on an idle machine:
//
//	go test -run '^$' -bench . -benchmem ./auth
//
// cpu-us/op is the processor time of this process; PostgreSQL's is not in it.

// cpu reports the process's own processor time per operation.
func cpu(b *testing.B) func() {
	start := used(b)
	return func() { b.ReportMetric(float64(used(b)-start)/float64(b.N), "cpu-us/op") }
}

func used(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano()/1000 + u.Stime.Nano()/1000
}

func BenchmarkFloor(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("x"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature)
		}
	})
	b.Run("sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPure(b *testing.B) {
	o := newOffline(b)
	a := o.agency
	b.Run("proof", func(b *testing.B) {
		r := request(http.MethodPost, pathToken, "", a.proof(http.MethodPost, pathToken, ""))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := o.checkProof(r, "", FAPI2, o.now()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("proof first", func(b *testing.B) {
		r := request(http.MethodPost, pathToken, "", a.proof(http.MethodPost, pathToken, ""))
		b.ReportAllocs()
		for b.Loop() {
			o.verifier.headers.InvalidateAll()
			if _, err := o.checkProof(r, "", FAPI2, o.now()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("assertion", func(b *testing.B) {
		form := a.form("results")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := o.assertClient(b.Context(), form, o.now()); err != nil {
				b.Fatal(err)
			}
		}
	})
	claims := accessClaims{Subject: a.id, ClientID: a.id, Scope: "results", Confirm: confirmation{"x"}, ClientKey: "motcua-1"}
	b.Run("mint", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := o.mint(claims, o.now()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("token known", func(b *testing.B) {
		token, err := o.mint(claims, o.now())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			sum, _ := hashToken(token)
			if _, err := o.readToken(token, sum, o.now()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// batches runs what queue builds n times, at a given concurrency.
func batches(b *testing.B, w *world, parallel int, queue func(*pgx.Batch)) {
	b.ReportAllocs()
	b.SetParallelism(parallel)
	report := cpu(b)
	b.RunParallel(func(next *testing.PB) {
		for next.Next() {
			batch := new(pgx.Batch)
			queue(batch)
			if err := pg.Pipeline(b.Context(), w.pool, batch); err != nil {
				b.Error(err)
				return
			}
		}
	})
	report()
}

func BenchmarkDatabase(b *testing.B) {
	w := newWorld(b)
	a := w.agency("motcua")
	c, err := w.clientOf(b.Context(), a.id)
	if err != nil {
		b.Fatal(err)
	}
	phone := w.app("vidan-app")
	token := phone.signIn(2)
	sum, _ := hashToken(token)
	read, err := w.readToken(token, sum, w.clock.now())
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	id := func() proofID {
		raw := [8]byte{}
		for i, v := 0, n.Add(1); i < 8; i++ {
			raw[i] = byte(v >> (8 * i))
		}
		return proofID{slot: 3, digest: sha256.Sum256(raw[:])}
	}
	for name, queue := range map[string]func(*pgx.Batch){
		"floor select":  func(b *pgx.Batch) { b.Queue("select 1") },
		"floor two ids": func(b *pgx.Batch) { queueProofs(b, id(), id()) },
		"token state":   func(b *pgx.Batch) { (&exchange{client: c, key: c.keys["motcua-1"]}).queueState(b) },
		"token batch": func(b *pgx.Batch) {
			(&exchange{client: c, key: c.keys["motcua-1"]}).queueState(b)
			queueProofs(b, id(), id())
		},
		"guard of machine": func(b *pgx.Batch) {
			own := id()
			(&principalGuard{server: w.Server, token: &accessToken{client: a.id}, client: c, kids: []string{"motcua-1"}, proof: &own}).Queue(b)
		},
		"guard of citizen": func(b *pgx.Batch) {
			own := id()
			(&principalGuard{server: w.Server, token: read, client: c, proof: &own, now: w.clock.now()}).Queue(b)
		},
	} {
		b.Run(name+"/c=1", func(b *testing.B) { batches(b, w, 1, queue) })
		b.Run(name+"/c=32", func(b *testing.B) { batches(b, w, 16, queue) })
	}
}

// BenchmarkToken is a whole token request, from the body to the answer; what the client signs is made beforehand.
func BenchmarkToken(b *testing.B) {
	w := newWorld(b)
	a := w.agency("motcua")
	a.token(w.Server, "results")
	mux := http.NewServeMux()
	w.Routes(mux)
	for name, parallel := range map[string]int{"c=1": 0, "c=32": 16} {
		b.Run(name, func(b *testing.B) {
			requests := make(chan *http.Request, b.N)
			for range b.N {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, pathToken, strings.NewReader(a.form("results").Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("DPoP", a.proof(http.MethodPost, pathToken, ""))
				requests <- r
			}
			one := func() {
				answer := httptest.NewRecorder()
				mux.ServeHTTP(answer, <-requests)
				if answer.Code != http.StatusOK {
					b.Error(answer.Body.String())
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			report := cpu(b)
			if parallel == 0 {
				for range b.N {
					one()
				}
			} else {
				b.SetParallelism(parallel)
				b.RunParallel(func(next *testing.PB) {
					for next.Next() {
						one()
					}
				})
			}
			report()
		})
	}
}
