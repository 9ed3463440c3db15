// Package configs is the configuration file: the struct it is read into, the
// defaults, the strict loader and the validation. docs/configuration.md is the
// reference for operators; the struct tags here are the schema.
//
// [Load] reads one YAML file, lays environment variables over it (server.addr is
// DRAWBRIDGE_SERVER_ADDR), reads every *_file secret and returns a [Config] that
// [Config.Validate] has accepted, or [Problems]: all faults at once, each with
// its key and line. An unknown key, a wrong type or a missing file is a fault;
// nothing is ignored and nothing is downgraded to a warning.
//
// # How a file becomes a Config
//
//  1. The YAML nodes are walked beside the schema, which reflection takes from
//     the struct. What fits goes into a tree of typed values, what does not is a
//     [Problem], and the line of every key is noted.
//  2. Environment variables are laid over the tree. One with our prefix that is
//     no setting is a fault; those that Kubernetes adds for a Service of our name
//     and those of the commands are not.
//  3. Keys of another connector type are refused, secret files are read.
//  4. Entries of lists get the defaults of their preset or type; viper lays the
//     tree over the other defaults and decodes it into the struct.
//  5. Validate looks at values, at what belongs together and at files. Its faults
//     get the line, or the variable, that the key came from.
//
// A faulty value is replaced by its default for the later steps, and faults that
// only follow from that are left out.
//
// # Secrets
//
// No message holds the text of a secret, also not of one in the wrong place: a
// message about a type says what the value is and not what it reads, messages
// about URLs that may hold a password do not quote them, and a key is printed
// only if it is a plain word.
//
// # The example files
//
// drawbridge.yaml is the commented reference, examples/ has smaller ones, and
// policy.yaml, htpasswd and htgroups are what they refer to. Every one is loaded
// by a test.
//
// The policy document is data, not configuration, and is not read through viper,
// which folds the case of map keys: see package authz.
package configs
