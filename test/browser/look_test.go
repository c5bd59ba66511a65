//go:build browser

package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// rules are those of WCAG at levels A and AA, up to 2.2.
const rules = `{runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"]}`

// violation is what axe-core tells of one rule.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// look holds the page against Q2, once in each language, and keeps pictures of it. Its name is what the pictures are called.
func (v *visitor) look(name string) {
	v.t.Helper()
	name += "-" + v.lang
	if _, done := v.looked.LoadOrStore(name, true); done {
		return
	}
	if lang := evaluate[string](v, `document.documentElement.lang`); lang != v.lang {
		v.t.Errorf("%s: the page is in %q", name, lang)
	}
	v.allow(true)
	defer v.allow(v.scripts)
	for _, found := range v.hold() {
		for _, node := range found.Nodes {
			v.t.Errorf("%s breaks %s: %s\n  %s\n  %s", name, found.ID, found.Help, node.HTML, strings.ReplaceAll(node.Summary, "\n", "\n  "))
		}
	}
	v.picture(name)
	v.width(narrow)
	v.fits(name + " at 320 pixels")
	v.width(phoneWidth)
	v.text(2)
	v.picture(name + "-large-text")
	v.text(1)
}

// hold runs axe-core in the page.
func (v *visitor) hold() []violation {
	v.t.Helper()
	text := evaluate[string](v, v.axe+`; axe.run(document, `+rules+`).then((r) => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise)
	var out []violation
	check(v.t, json.Unmarshal([]byte(text), &out))
	return out
}

// allow lets scripts run or not: what looks at a page needs them, and the page has been loaded without its own by then.
func (v *visitor) allow(scripts bool) {
	v.t.Helper()
	call(v, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
}

// text makes the text so many times as large as the style sheet has it, as a browser does for somebody who asks for that (WCAG 1.4.4).
func (v *visitor) text(times int) {
	v.t.Helper()
	enlarged := evaluate[float64](v, fmt.Sprintf(`(() => {
  const size = () => parseFloat(getComputedStyle(document.querySelector("main h1")).fontSize)
  const root = document.documentElement.style
  root.fontSize = ""
  const before = size()
  if (%[1]d > 1) root.fontSize = %[1]d * parseFloat(getComputedStyle(document.documentElement).fontSize) + "px"
  return size() / before
})()`, times))
	if enlarged != float64(times) {
		v.t.Errorf("text does not grow with the size that somebody asks for: %.2f times instead of %d", enlarged, times)
	}
}

// picture keeps the whole page as it is now.
func (v *visitor) picture(name string) {
	v.t.Helper()
	v.fits(name)
	evaluate[bool](v, `new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(() => painted(true))))`, chromedp.EvalAwaitPromise)
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	shot := must(chromedp.Run(ctx, chromedp.FullScreenshot(100)))(v.t)
	check(v.t, os.WriteFile(filepath.Join(v.pictures, name+".png"), shot, 0o600))
}

// fits fails the test when the page is wider than the screen (a phone shows such a page smaller, so that innerWidth grows with it), text is cut off, or a number to be compared is broken in two (Q2).
func (v *visitor) fits(name string) {
	v.t.Helper()
	wide := evaluate[[]string](v, `[...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".skip, .unseen") && e.checkVisibility() && (e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 || e.getBoundingClientRect().left < -1 ||
    getComputedStyle(e).overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1))
  .map((e) => e.outerHTML.slice(0, 120))`)
	if over := evaluate[int](v, `document.scrollingElement.scrollWidth - document.documentElement.clientWidth`); over > 0 || len(wide) > 0 {
		v.t.Errorf("%s is %d pixels wider than the screen: %s", name, over, strings.Join(wide, "\n  "))
	}
	if lines := evaluate[int](v, `(() => {
  const number = document.querySelector(".number")
  if (!number) return 0
  const text = document.createRange()
  text.selectNodeContents(number)
  return text.getClientRects().length
})()`); lines > 1 {
		v.t.Errorf("%s breaks the number that it shows into %d lines", name, lines)
	}
}

func quote(text string) string { return fmt.Sprintf("%q", text) }
