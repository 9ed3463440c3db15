package console_test

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// element is a tag with its attributes.
type element struct {
	name  string
	attrs map[string]string
}

// parse reads a page strictly: every element is closed where it has to be.
func parse(page string) ([]element, error) {
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Strict, decoder.Entity = false, xml.HTMLEntity
	decoder.AutoClose = []string{"meta", "link", "input", "img", "br"}
	var all []element
	var open []string
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			if len(open) > 0 {
				return all, errors.New("never closed: " + strings.Join(open, " "))
			}
			return all, nil
		}
		if err != nil {
			return all, err
		}
		switch e := token.(type) {
		case xml.StartElement:
			el := element{e.Name.Local, map[string]string{}}
			for _, a := range e.Attr {
				if _, twice := el.attrs[a.Name.Local]; twice {
					return all, errors.New("the attribute twice: " + a.Name.Local)
				}
				el.attrs[a.Name.Local] = a.Value
			}
			all = append(all, el)
			if !slices.Contains(decoder.AutoClose, el.name) {
				open = append(open, el.name)
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				return all, errors.New("</" + e.Name.Local + "> closes " + strings.Join(open, " "))
			}
			open = open[:len(open)-1]
		}
	}
}

// sound reports what a page lacks that a screen reader, a keyboard or the
// Content-Security-Policy needs.
func sound(page string) []string {
	all, err := parse(page)
	if err != nil {
		return []string{err.Error()}
	}
	var faults []string
	counts, ids, labelled := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, e := range all {
		counts[e.name]++
		if id := e.attrs["id"]; id != "" {
			ids[id]++
		}
		if e.name == "label" {
			labelled[e.attrs["for"]] = true
		}
	}
	for id, n := range ids {
		if n > 1 {
			faults = append(faults, "the ID twice: "+id)
		}
	}
	if counts["h1"] != 1 || counts["main"] != 1 || counts["title"] != 1 || counts["header"] != 1 {
		faults = append(faults, "not one h1, main, title and header")
	}
	for i, e := range all {
		for name := range e.attrs {
			if name == "style" || strings.HasPrefix(name, "on") {
				faults = append(faults, "inline "+name)
			}
		}
		switch e.name {
		case "input", "select", "textarea":
			inLabel := e.attrs["type"] == "checkbox" && i > 0 && all[i-1].name == "label"
			if e.attrs["type"] != "hidden" && !inLabel && !labelled[e.attrs["id"]] {
				faults = append(faults, "no label for "+e.name+" "+e.attrs["name"])
			}
		case "th":
			if e.attrs["scope"] == "" {
				faults = append(faults, "a th without scope")
			}
		case "table":
			if i+1 >= len(all) || all[i+1].name != "caption" {
				faults = append(faults, "a table without a caption")
			}
		case "img":
			if _, ok := e.attrs["alt"]; !ok {
				faults = append(faults, "an image without alt")
			}
		case "script", "link":
			if at := e.attrs["src"] + e.attrs["href"]; !strings.HasPrefix(at, "/console/assets/") {
				faults = append(faults, "loads "+at)
			}
		case "form":
			if e.attrs["method"] == "post" && (i+1 >= len(all) || all[i+1].attrs["name"] != "form_token") {
				faults = append(faults, "a form without a token: "+e.attrs["action"])
			}
		}
	}
	return faults
}

func TestPagesAreSound(t *testing.T) {
	w := newWorld(t)
	b := w.as("root")
	pages := map[string]string{
		"sign-in":        w.browser().get("/console/sign-in").text,
		"refused":        w.browser().signIn("root", "x", "").text,
		"nothing":        b.get("/console/nothing").text,
		"no role":        w.as("bob").get("/console/").text,
		"owner":          w.as("lead").get("/console/bindings").text,
		"auditor":        w.as("eve").get("/console/policy").text,
		"explain":        b.get("/console/access?who=corp/bob&actions=push&repository=web/x").text,
		"who-can":        b.get("/console/access?ask=who-can&actions=push&repository=payments/x").text,
		"what-can":       b.get("/console/access?ask=what-can&who=corp/bob").text,
		"unknown person": b.get("/console/access?ask=what-can&who=corp/gone").text,
		"edit":           b.get("/console/bindings/edit?name=dev").text,
		"look up":        b.get("/console/people?who=corp/bob").text,
		"faulty":         b.send("/console/policy", "do", "save", "base", "1", "text", "bindings:\n  - nome: x\n").text,
		"plan":           b.send("/console/policy", "do", "plan", "base", "1", "text", document+"# more\n").text,
		"plan of faults": b.send("/console/policy", "do", "plan", "base", "1", "text", "x: y\n").text,
		"stale":          b.send("/console/policy", "do", "save", "base", "0", "text", document+"# more\n").text,
	}
	for _, path := range w.gets() {
		if path != "/console/sign-in" {
			pages[path] = b.get(path).text
		}
	}
	for what, text := range pages {
		if faults := sound(text); len(faults) > 0 {
			t.Errorf("%s: %q\n%s", what, faults, text)
		}
		if !strings.HasPrefix(text, "<!doctype html>") {
			t.Errorf("%s is no page: %q", what, text)
		}
	}
}

// The check has to find what it is for.
func TestUnsoundPages(t *testing.T) {
	for _, page := range []string{
		"<p>", "<div></p></div>", `<input name="x"/>`, `<p onclick="x">a</p>`, `<img src="x">`, "<h1>a</h1><h1>b</h1>", `<form method="post"><p>x</p></form>`,
		`<script src="https://evil.example/x.js"></script>`, `<table><tr><th>x</th></tr></table>`, `<p id="a"></p><p id="a"></p>`,
	} {
		if faults := sound("<header></header><title>t</title><main>" + page + "</main>"); len(faults) == 0 || page[0] != '<' {
			t.Errorf("%s is found sound", page)
		}
	}
}
