// Package console uses the web console in a real browser, Debian's Chromium, against
// a real directory and a real registry, and takes its screenshots.
package console
