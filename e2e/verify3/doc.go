// Package verify3 checks tokens with the verifier that distribution 3.1.1 exports,
// in process: hundreds of fresh keys can be tried here, where package
// drawbridge/e2e/tokens tries one on the running registry.
//
// It is a module of its own, so that the registry's dependencies do not bend the
// versions of the other tests'.
package verify3
