// Package verify2 checks tokens with the verifier that distribution 2.8.3 exports,
// in process: Debian's registry, which package drawbridge/e2e/tokens starts, is
// 2.8.2, and hundreds of fresh keys can be tried here where one can be there.
//
// It is a module of its own because distribution 2 has no go.mod, and its
// dependencies would bend the versions of everything beside it.
package verify2
