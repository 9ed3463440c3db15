package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"drawbridge/authz"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

const assetPath = basePath + "assets/"

// pages are the templates, each with the layout around it, by name.
type pages map[string]*template.Template

// page is what the layout shows.
type page struct {
	Title   string
	Section string // the path of the navigation's current entry
	Nav     []navGroup
	Who     string
	Token   string
	Version string
	Assets  string // changes with the assets
	Banner  string // what nobody may overlook
	Done    string // what has just been done, as a sentence
	Body    any
}

type navGroup struct {
	Title string
	Links []navLink
}

type navLink struct {
	Path, Title string
	Current     bool
}

// loadPages parses the templates. They are part of the program: a fault in one is
// found by the first test.
func loadPages() pages {
	layout := template.Must(template.New("layout.html").Funcs(functions()).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // only for a malformed pattern
	}
	all := pages{}
	for _, file := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		if name != "layout" && name != "parts" {
			all[name] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, file))
		}
	}
	return all
}

func functions() template.FuncMap {
	return template.FuncMap{
		"when":   when,
		"join":   strings.Join,
		"lines":  func(list []string) string { return strings.Join(list, "\n") },
		"minute": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
		"date":   func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"second": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"stamp":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}
}

// when writes a time for people, and the empty string for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// show answers with a page. It is made before the first byte is sent, so that a
// fault in one leaves no half page.
func (v *visit) show(status int, name, title string, body any) error {
	p := page{
		Title: title, Section: v.r.URL.Path, Who: v.actor.Name, Token: v.session.FormToken, Version: v.Version, Assets: v.assets.tag,
		Done: done()[v.query("done")], Body: body,
	}
	if v.session.ID != "" {
		p.Nav = navigation(v.actor.Capabilities, v.r.URL.Path)
	} else {
		p.Who = ""
	}
	if arming, armed := v.Desk.Armed(); armed && v.actor.Capabilities != 0 {
		p.Banner = "Break-glass is armed until " + when(arming.ExpiresAt) + ", by " + arming.By + ": " + arming.Reason
	}
	var out bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&out, "layout.html", p); err != nil {
		v.Log.ErrorContext(v.r.Context(), "make a console page", "page", name, "error", err)
		http.Error(v.w, "The page could not be made; the server's log has the reason.", http.StatusInternalServerError)
		return nil
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(linked(out.Bytes(), v.Prefix)) // a browser that hung up is nobody's error
	return nil
}

// linked puts the prefix before the page's links. Only an attribute of a template has
// a quotation mark that is one: those in data are escaped, so that no data is taken for
// a link.
func linked(page []byte, prefix string) []byte {
	if prefix == "" {
		return page
	}
	for _, attribute := range []string{"href", "src", "action"} {
		start := " " + attribute + `="`
		page = bytes.ReplaceAll(page, []byte(start+"/console"), []byte(start+prefix+"/console"))
	}
	return page
}

// done are the sentences that a redirect may have the next page say.
func done() map[string]string {
	return map[string]string{
		"saved":     "Saved. It is in force on every replica within a second.",
		"unchanged": "Nothing to save: this text is in force already.",
		"changed":   "Changed.",
		"deleted":   "Deleted. Its tokens are refused on every replica within a second.",
		"ended":     "Ended. It is refused on every replica within a second.",
		"rotated":   "New keys are made. Every replica uses its own within a second.",
		"removed":   "Removed. It is in force on every replica within a second.",
	}
}

// navigation lists the pages that somebody with these rights can open.
func navigation(c authz.Capabilities, at string) []navGroup {
	type entry struct {
		path, title string
		who         audience
	}
	groups := []struct {
		title   string
		entries []entry
	}{
		{"", []entry{{"/console/", "Overview", person}}},
		{"Access", []entry{
			{"/console/access", "Access explorer", reader}, {"/console/policy", "Policy", reader},
			{"/console/bindings", "Bindings", owner}, {"/console/guardrails", "Guardrails", reader},
		}},
		{"Identities", []entry{
			{"/console/people", "Users and groups", reader}, {"/console/robots", "Robots", owner}, {"/console/sessions", "Sessions", person},
		}},
		{"Records", []entry{{"/console/audit", "Audit", reader}}},
		{"System", []entry{
			{"/console/connectors", "Connectors", reader}, {"/console/keys", "Keys", reader}, {"/console/registries", "Registries", reader},
		}},
	}
	var shown []navGroup
	for _, g := range groups {
		group := navGroup{Title: g.title}
		for _, e := range g.entries {
			if e.who.admits(c) {
				current := at == e.path || (e.path != basePath && strings.HasPrefix(at, e.path+"/"))
				group.Links = append(group.Links, navLink{e.path, e.title, current})
			}
		}
		if group.Links != nil {
			shown = append(shown, group)
		}
	}
	return shown
}

// assets are the style sheet and the script.
type assets struct {
	files http.Handler
	tag   string
}

func loadAssets() assets {
	sub, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic(err) // only for a malformed path
	}
	sum := sha256.New()
	for _, name := range []string{"console.css", "console.js"} {
		data, err := fs.ReadFile(sub, name)
		if err != nil {
			panic(err) // embedded
		}
		sum.Write(data)
	}
	return assets{http.StripPrefix(assetPath, http.FileServerFS(sub)), hex.EncodeToString(sum.Sum(nil)[:8])}
}

// ServeHTTP serves a file, which the browser may keep for as long as pages ask for
// it under the same tag.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/") {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == a.tag {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	a.files.ServeHTTP(w, r)
}
