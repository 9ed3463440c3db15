// Package limits goes over each limit of docs/limits.md, one at a time, at the running
// server, and reads what it answers. A limit that takes long to meet, or that nothing
// outside shows, is met in a test beside its code, which is looked for by its name.
package limits
