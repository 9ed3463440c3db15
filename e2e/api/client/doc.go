// Package client is a client of the REST API that an outside generator has made
// from docs/openapi.json: oapi-codegen, by `make openapi`. Nothing here is written by
// hand but this page and config.yaml.
package client
