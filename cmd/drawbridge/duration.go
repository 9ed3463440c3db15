package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// duration is a flag that reads days, too, as people count them: 90d, 36h, 1d12h.
type duration struct {
	time.Duration
	set bool
}

var errDuration = errors.New("write a duration such as 90d, 36h or 1d12h")

// parseDuration reads a duration of zero or more.
func parseDuration(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		days, rest = "0", text
	}
	n, err := strconv.ParseUint(days, 10, 16) // more days than that overflow
	if err != nil {
		return 0, errDuration
	}
	total := time.Duration(n) * 24 * time.Hour
	if ok && rest == "" {
		return total, nil
	}
	hours, err := time.ParseDuration(rest)
	if total += hours; err != nil || hours < 0 || total < 0 {
		return 0, errDuration
	}
	return total, nil
}

// Set implements pflag.Value.
func (d *duration) Set(text string) (err error) {
	d.Duration, err = parseDuration(text)
	d.set = true
	return err
}

// String implements pflag.Value.
func (d *duration) String() string {
	if d.Duration == 0 {
		return ""
	}
	return d.Duration.String()
}

// Type implements pflag.Value.
func (*duration) Type() string { return "duration" }

// short writes a duration as people do: 4h, and not 4h0m0s.
func short(d time.Duration) string {
	text := strings.TrimSuffix(d.String(), "0s")
	if hours, ok := strings.CutSuffix(text, "h0m"); ok {
		return hours + "h"
	}
	return text
}
