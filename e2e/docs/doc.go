// Package docs runs every command and checks every configuration that README.md
// and the pages in docs/ show, word for word.
//
// A fenced block carries the name of its runner in a comment on the line before:
//
//	<!-- run: NAME -->
//
// A block without one fails the test, unless its language is `text`, and so does
// a name that no test runs. A command cannot hide in an indented block either.
package docs
