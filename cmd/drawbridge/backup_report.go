package main

import (
	"fmt"
	"strings"
	"time"

	"drawbridge/backup"
	"drawbridge/store"
)

// backupReport is what `backup` and `restore` print.
type backupReport struct {
	backup.Manifest
	backup.Contents
	File   string `json:"file,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Done says what became of it, and Next what is left to do.
	Done string   `json:"done,omitempty"`
	Next []string `json:"next,omitempty"`
}

func (r backupReport) text() string {
	var out strings.Builder
	if r.Done != "" {
		fmt.Fprintf(&out, "%s\n\n", r.Done)
	}
	for _, line := range [][2]string{
		{"file", r.File}, {"sha256", r.SHA256}, {"made at", r.MadeAt.Format("2006-01-02 15:04:05 UTC")},
		{"made by", fmt.Sprintf("version %s, store %s, schema %d", r.Version, r.Store, r.Schema)},
	} {
		if line[1] != "" {
			fmt.Fprintf(&out, "%-8s  %s\n", line[0], line[1])
		}
	}
	r.lists(&out)
	for i, step := range r.Next {
		if i == 0 {
			fmt.Fprintln(&out, "\nWhat to do now:")
		}
		fmt.Fprintf(&out, "  %d. %s\n", i+1, step)
	}
	return out.String()
}

// lists writes what is in the backup, and what is not.
func (r backupReport) lists(out *strings.Builder) {
	fmt.Fprintln(out, "\nRows of the store:")
	for _, t := range store.Tables() {
		fmt.Fprintf(out, "  %-14s %d\n", t.Name, r.Rows[t.Name])
	}
	fmt.Fprintln(out, "\nFiles:")
	for _, e := range r.Entries {
		if e.Name != "manifest.json" && !strings.HasPrefix(e.Name, "store/") {
			fmt.Fprintf(out, "  %s  %d bytes\n", e.Name, e.Size)
		}
	}
	for i, f := range r.External {
		if i == 0 {
			fmt.Fprintln(out, "\nFiles elsewhere that the configuration needs:")
		}
		note := "NOT in the backup"
		if f.Included {
			note = "in the backup"
		}
		fmt.Fprintf(out, "  %s (%s): %s\n", f.Path, f.Key, note)
	}
	for i, line := range r.Skipped {
		if i == 0 {
			fmt.Fprintln(out, "\nLeft out:")
		}
		fmt.Fprintf(out, "  %s\n", line)
	}
}

// restored says what the state that is back does not know.
func (r *backupReport) restored(now time.Time) {
	age := now.Sub(r.MadeAt).Round(time.Minute)
	r.Done = fmt.Sprintf("Restored: the state of %s, %s ago. What happened since is gone.", r.MadeAt.Format("2006-01-02 15:04 UTC"), age)
	r.Next = []string{
		"Empty the Redis of these servers, if they have one, while no server runs. Then start the server.",
		"What was revoked or taken back since the backup is good again: sessions, robots and their secrets, and rights of the policy. " +
			"Compare with the audit log that was written to audit.file, and end what must not live: drawbridge session revoke, robot disable, policy apply.",
		"If the backup may have been read by somebody else, or a key was revoked since: drawbridge keys rotate --emergency --reason \"restored\", and replace the CA.",
	}
	for _, f := range r.External {
		r.Next = append(r.Next, fmt.Sprintf("Have %s (%s) in its place.", f.Path, f.Key))
	}
}
