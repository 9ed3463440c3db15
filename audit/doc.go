// Package audit writes what happened: an [Event] each, from a closed [Catalogue] of
// actions, with the field names of the Elastic Common Schema
// (https://www.elastic.co/guide/en/ecs) and ours under drawbridge.*. They go to a
// file, as JSON lines, and to the store, where they can be asked for.
//
// Failed logins and denials are events like any other. An event never holds a
// password or a token. The name that somebody typed and that no connector knows
// is not written either, because people type passwords into that field.
//
// [Log.Record] never blocks its caller: events go through a bounded queue for each
// sink to one writer, which also does what takes time (the ID, the JSON). What does
// not fit, or cannot be written, is counted in [Log.Dropped]. [Log.Act] is for what
// an administrator does, and returns when it is written.
package audit
