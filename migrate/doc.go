// Package migrate turns the configuration of another token server into ours:
// docker_auth's (https://github.com/cesanta/docker_auth), or a registry's htpasswd.
//
// # What has to hold
//
// The result never grants more than the original did. What we cannot express is left
// out and listed with its line; nothing is widened to make it fit.
//
// # From an ordered list to a set
//
// docker_auth asks its entries in order, and the first that matches decides. Our
// bindings have no order: they add up, and guardrails take away. So the entries are
// not translated one by one. Instead, every name pattern P of the list is taken for
// itself, and for each kind of caller (every account that is named, everybody else,
// nobody) and each action it is proved that docker_auth grants the action on all
// names of P, by walking its entries in their order:
//
//   - an entry that surely matches, and covers P, decides;
//   - one that may match, or covers a part of P, must grant the action, too, or the
//     proof fails, unless a guardrail of ours takes that part away.
//
// What is proved becomes a binding. Since each binding is within what docker_auth
// grants, so is their sum. A guardrail stands for an entry that denies in the middle
// of what later ones grant, and only where docker_auth never grants the action.
//
// What docker_auth may grant and no binding does is a [Loss], listed with the line of
// its entry.
package migrate
