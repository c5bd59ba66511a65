//go:build browser

package browser_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// phoneWidth is that of most phones, in CSS pixels; narrow is what WCAG 1.4.10 asks for.
const (
	phoneWidth = 390
	narrow     = 320
)

// chromium starts the browser of the distribution, which ends with the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	if path == "" {
		path = "/usr/bin/chromium"
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to start for root with its sandbox
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	browser, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	check(t, chromedp.Do(browser))
	return browser
}

// visitor is somebody in front of a browser that knows nothing of them yet.
type visitor struct {
	*world
	t       *testing.T
	ctx     context.Context
	lang    string
	scripts bool
}

// visitor opens a browser with no cookies, that asks for a language and runs scripts or does not.
func (w *world) visitor(t *testing.T, browser context.Context, lang string, scripts bool) *visitor {
	t.Helper()
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	v := &visitor{world: w, t: t, ctx: ctx, lang: lang, scripts: scripts}
	check(t, chromedp.Do(ctx))
	call(v, network.Enable, network.EnableParams{})
	call(v, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": lang}})
	call(v, log.Enable, cdp.Empty{})
	v.allow(scripts)
	call(v, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	v.width(phoneWidth)
	check(t, chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*log.EventEntryAdded); ok && e.Entry.Level == log.EntryLevelError && !expected(e.Entry) {
			t.Errorf("%s: the browser complains: %s (%s)", lang, e.Entry.Text, path(e.Entry.URL)) // Q3
		}
	}))
	return v
}

// expected are complaints that are no mistake: a page that says what went wrong has a status that says so too.
func expected(e *log.Entry) bool {
	return e.Source == log.EntrySourceNetwork && strings.HasPrefix(e.Text, "Failed to load resource: the server responded with a status of 4") &&
		!strings.Contains(e.URL, "/static/") && !strings.Contains(e.URL, "favicon")
}

// path drops what may be secret of an address.
func path(url string) string {
	bare, _, _ := strings.Cut(url, "?")
	return bare
}

// call runs a command of the browser.
func call[P, R any](v *visitor, command cdp.Command[P, R], params P) R {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	return must(chromedp.Call(ctx, command, params))(v.t)
}

// do runs steps in the page.
func (v *visitor) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		v.t.Fatalf("%v, on the page %s", err, v.says())
	}
}

// loads runs steps that lead to another page, and waits for it.
func (v *visitor) loads(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, steps...); err != nil {
		v.t.Fatalf("%v, on the page %s", err, v.says())
	}
}

func (v *visitor) open(at string) {
	v.t.Helper()
	v.do(chromedp.Navigate(at))
}

// press presses what leads on.
func (v *visitor) press(what string) {
	v.t.Helper()
	v.loads(chromedp.Click(chromedp.CSS(what), chromedp.NodeVisible))
}

// types types into a field; a line end sends the form, so that no mouse is needed.
func (v *visitor) types(field, text string) {
	v.t.Helper()
	step := chromedp.SendKeys(chromedp.CSS(field), text, chromedp.NodeVisible)
	if strings.HasSuffix(text, "\r") {
		v.loads(step)
		return
	}
	v.do(step)
}

// evaluate asks the page. One that looks again by itself may go while it is asked: then the next is asked.
func evaluate[T any](v *visitor, expression string, options ...chromedp.EvaluateOption) T {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	var told error
	for range 3 {
		out, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
		if err == nil {
			return out
		}
		told = err
	}
	v.t.Fatalf("%v, on the page %s", told, v.says())
	panic("unreachable")
}

// says is the page in short, for a failure: its address and first words.
func (v *visitor) says() string {
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.pathname + " " + document.body.innerText.replace(/\s+/g, " ").slice(0, 300)`))
	if err != nil {
		return err.Error()
	}
	return text
}

// visible reports whether something is there to be seen.
func (v *visitor) visible(what string) bool {
	v.t.Helper()
	return evaluate[bool](v, `!!document.querySelector(`+quote(what)+`)?.checkVisibility()`)
}

// shows fails the test unless all of it is there to be seen.
func (v *visitor) shows(what ...string) {
	v.t.Helper()
	for _, one := range what {
		if !v.visible(one) {
			v.t.Fatalf("%s: nothing to see of %s on the page %s", v.lang, one, v.says())
		}
	}
}

func (v *visitor) width(pixels int64) {
	v.t.Helper()
	call(v, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: pixels, Height: 844, DeviceScaleFactor: 1, Mobile: true})
}

// tick presses a box, which leads nowhere.
func (v *visitor) tick(what string) {
	v.t.Helper()
	v.do(chromedp.Click(chromedp.CSS(what), chromedp.NodeVisible))
}
