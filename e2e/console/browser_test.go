package console

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"

	"github.com/chromedp/chromedp"
)

// patience is how long anything in the browser may take on a machine that is busy.
const patience = 60 * time.Second

// browser is one person's: its cookies are nobody else's.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string
}

// chromium starts the program, without a window.
func chromium(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(testbed.Tool(t, "chromium")), chromedp.UserDataDir(t.TempDir()),
		chromedp.IgnoreCertErrors,                                                      // the server's certificate is its own
		chromedp.Flag("lang", "en-GB"), chromedp.Flag("no-sandbox", os.Geteuid() == 0), // the sandbox does not run as root
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return ctx
}

// open gives somebody a window without anybody's cookies.
func open(chromium context.Context, t *testing.T, url string) *browser {
	t.Helper()
	ctx, stop := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	b := &browser{t, ctx, url}
	// The window lives as long as the context of the first run.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a window: %v", err)
	}
	b.run("open", chromedp.EmulateViewport(1280, 900))
	return b
}

// run does something, within patience.
func (b *browser) run(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.text())
	}
}

// ask is run for what has an answer.
func ask[T any](b *browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	answer, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return answer
}

// text is what the page says.
func (b *browser) text() string {
	b.t.Helper()
	return ask(b, "read the page", chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
}

func (b *browser) visit(path string) {
	b.t.Helper()
	b.run("open "+path, chromedp.Navigate(b.url+path))
}

// click presses what the selector finds and waits for the next page.
func (b *browser) click(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("click %s: %v\n%s", selector, err, b.text())
	}
}

// fill replaces what a field holds.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.run("fill "+selector, chromedp.SetValue(chromedp.CSS(selector), text))
}

func (b *browser) value(selector string) string {
	b.t.Helper()
	return ask(b, "read "+selector, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q).value", selector)))
}

func (b *browser) content(selector string) string {
	b.t.Helper()
	return ask(b, "read "+selector, chromedp.TextContent(chromedp.CSS(selector)))
}

func (b *browser) count(selector string) int {
	b.t.Helper()
	return ask(b, "count "+selector, chromedp.Evaluate[int](fmt.Sprintf("document.querySelectorAll(%q).length", selector)))
}

// says fails the test unless the page has every text.
func (b *browser) says(texts ...string) {
	b.t.Helper()
	shown := b.text()
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			b.t.Errorf("%q is not on the page:\n%s", text, shown)
		}
	}
}

// signIn fills in the form.
func (b *browser) signIn(uid string) {
	b.t.Helper()
	b.visit("/console/")
	b.fill("#username", uid)
	b.fill("#password", testbed.SeedPassword(uid))
	b.click("main button.main")
}
