// Package audit writes what happened as JSON lines: one [Event] a line, from a
// closed catalogue of actions, with the field names of the Elastic Common Schema
// (https://www.elastic.co/guide/en/ecs) and ours under drawbridge.*.
//
// Failed logins and denials are events like any other. An event never holds a
// password or a token. The name that somebody typed and that no connector vouched
// for is not written either, because people type passwords into that field.
//
// A [Log] never blocks its caller: events go through a bounded queue to one
// writer, and what does not fit, or cannot be written, is counted in
// [Log.Dropped].
package audit
