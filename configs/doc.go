// Package configs is the configuration file: the struct it is read into, the
// defaults, the strict loader and the validation. docs/configuration.md is the
// reference for operators; the struct tags here are the schema.
//
// [Load] reads one YAML file with viper, lays environment variables over it
// (server.addr is DRAWBRIDGE_SERVER_ADDR), reads every *_file secret and returns
// a [Config] that [Config.Validate] has accepted, or [Problems]: all faults at
// once, each with its key and line. An unknown key, a wrong type or a missing
// file is a fault; nothing is ignored and nothing is downgraded to a warning.
//
// The policy document is data, not configuration, and is not read through viper,
// which folds the case of map keys: see package authz.
package configs
