package doctor

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"drawbridge/tokens"
)

// chunk is more than nginx lets pass by itself, which is 1 MiB.
const chunk = 2 << 20

// upload begins a push of a layer, sends a part of it and cancels: what proxies do to
// a push shows nowhere else.
func (x *exam) upload(ctx context.Context) Outcome {
	if !x.Write {
		return skipped("give --write to have an upload begun and cancelled: it finds what proxies do to a push")
	}
	t := x.trial()
	t.Write = true
	token, err := x.Keys.Trial(t)
	if err != nil {
		return unsure("%s", cause(err))
	}
	header := func() http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	begun, err := x.ask(ctx, http.MethodPost, x.at(registryPath+tokens.TrialRepository+"/blobs/uploads/"), header(), nil)
	if err != nil {
		return unsure("%s", cause(err))
	}
	if begun.status != http.StatusAccepted {
		return unsure("a new upload is answered %d", begun.status)
	}
	to, err := url.Parse(begun.header.Get("Location"))
	if err != nil {
		return unsure("the address for the upload is no URL")
	}
	// Wherever it points to, the upload is this server's: the token goes nowhere else.
	here := *to
	here.Scheme, here.Host = x.url.Scheme, x.url.Host
	defer func() {
		_, _ = x.ask(context.WithoutCancel(ctx), http.MethodDelete, here.String(), header(), nil) // the registry purges what is left of it
	}()
	if to.IsAbs() && (to.Scheme != x.url.Scheme || withPort(to) != withPort(x.url)) {
		return found("", finding(UploadElsewhere, fmt.Sprintf("The registry is %s, and it sends the upload to %s://%s.", x, to.Scheme, to.Host),
			"nginx: proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;",
			"Or in the registry's config.yml:  http: { host: \""+x.String()+"\" }, or http: { relativeurls: true }"))
	}
	return x.chunk(ctx, &here, header())
}

// chunk sends a part. The registry then has another address for the upload, which is
// the one to cancel.
func (x *exam) chunk(ctx context.Context, to *url.URL, header http.Header) Outcome {
	header.Set("Content-Type", "application/octet-stream")
	a, err := x.ask(ctx, http.MethodPatch, to.String(), header, bytes.NewReader(make([]byte, chunk)))
	if err == nil {
		if next, parseErr := url.Parse(a.header.Get("Location")); parseErr == nil && next.Path != "" {
			to.Path, to.RawQuery = next.Path, next.RawQuery
		}
	}
	switch {
	case err == nil && a.status == http.StatusAccepted:
		return okay("begun, %d MiB sent, cancelled", chunk>>20)
	case err == nil && a.status != http.StatusRequestEntityTooLarge:
		return unsure("a part of a layer is answered %d", a.status)
	}
	seen := "answered 413"
	if err != nil { // a proxy that answers before it has read all closes the connection
		seen = "broken off: " + cause(err)
	}
	return found("", finding(BodyTooLarge, fmt.Sprintf("A part of %d MiB is %s.", chunk>>20, seen),
		"nginx, in the registry's server block: client_max_body_size 0;",
		"Kubernetes ingress-nginx: nginx.ingress.kubernetes.io/proxy-body-size: \"0\""))
}
