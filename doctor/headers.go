package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"drawbridge/tokens"
)

// headers looks whether a token arrives at the registry, also a long one. A registry
// that sees a token that is none says so in its challenge.
func (x *exam) headers(ctx context.Context) Outcome {
	short, err := x.get(ctx, registryPath, "drawbridge-doctor")
	if err != nil {
		return unsure("%s", cause(err))
	}
	if x.entry.NoLeeway {
		return x.longHeader(ctx)
	}
	if short.status == http.StatusUnauthorized && challengeOf(short).fault == "" {
		return found("", finding(AuthDroppedRegistry, "The registry answers a request with a token as one without any: its challenge names no error.",
			"nginx: remove proxy_set_header Authorization \"\"; from the registry's location, and auth_basic, which takes the header for itself.",
			"Apache: CGIPassAuth on; a cloud gateway: pass the header Authorization on."))
	}
	return x.longHeader(ctx)
}

func (x *exam) longHeader(ctx context.Context) Outcome {
	long, err := x.get(ctx, registryPath, strings.Repeat("x", tokens.MaxTokenBytes))
	if err == nil && long.status == http.StatusUnauthorized {
		return okay("Authorization arrives, up to %d bytes", tokens.MaxTokenBytes)
	}
	seen := "the connection ends"
	if err == nil {
		seen = fmt.Sprintf("the answer is %d", long.status)
		if by := long.header.Get("Server"); by != "" {
			seen += " by " + by
		}
	}
	return found("", finding(HeadersCut, fmt.Sprintf("With a header of %d bytes %s, and with a short one the registry answers.", tokens.MaxTokenBytes, seen),
		"nginx: large_client_header_buffers 4 16k;", "haproxy: tune.bufsize 32768; Apache: LimitRequestFieldSize 16380"))
}

// The clock's tolerance, of us and of registries (distribution's auth/token, Leeway).
const (
	// dateGrain is how exact an HTTP date is.
	dateGrain = time.Second
	// offFrom is from where on a difference is worth a warning.
	offFrom = 20 * time.Second
)

// skew is how far the registry's clock is ahead of ours, as its answers tell: of all
// that fits, what is nearest to nothing.
func (x *exam) skew() (time.Duration, bool) {
	date, err := http.ParseTime(x.first.header.Get("Date"))
	if err != nil {
		return 0, false
	}
	// The answer was made between these two, and its second has begun by then.
	low, high := date.Sub(x.first.sent.Add(x.first.took)), date.Add(dateGrain).Sub(x.first.sent)
	switch {
	case low > 0:
		return low, true
	case high < 0:
		return high, true
	}
	return 0, true
}

func (x *exam) dateText() string {
	skew, told := x.skew()
	switch {
	case !told:
		return "Its answers have no date."
	case skew == 0:
		return "The date of its answers is right: a proxy with the right time is before it."
	case skew > 0:
		return "The date of its answers is " + skew.Round(time.Second).String() + " ahead of the clock here."
	}
	return "The date of its answers is " + (-skew).Round(time.Second).String() + " behind the clock here."
}

func clockFix() []string {
	return []string{
		"On both machines: timedatectl, and have the time kept: apt-get install chrony, or systemctl enable --now systemd-timesyncd",
		"In a virtual machine that was paused: chronyc makestep",
	}
}

// clocks compares the registry's clock with ours and says what is left of a token.
func (x *exam) clocks(context.Context) Outcome {
	skew, told := x.skew()
	if !told {
		return skipped("the registry's answers have no date")
	}
	leeway := tokens.Leeway
	if x.entry.NoLeeway {
		leeway = 0
	}
	left := x.AccessTTL + leeway - skew // of a registry that is ahead
	switch {
	case left <= 0, -skew >= tokens.Backdate+leeway:
		return found("", finding(ClockWrong, x.dateText()+fmt.Sprintf(" A token lives for %s, is valid from %s before it is made, and the registry allows %s on both ends.",
			x.AccessTTL, tokens.Backdate, leeway), clockFix()...))
	case skew >= offFrom, -skew >= offFrom:
		return found("", finding(ClockOff, x.dateText(), clockFix()...))
	}
	return okay("less than %s apart; a token of %s and %s of leeway", offFrom, x.AccessTTL, leeway)
}
