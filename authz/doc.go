// Package authz decides what a caller may do in a registry.
package authz
