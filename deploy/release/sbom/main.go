// Sbom prints the bill of materials of a Go program in the CycloneDX form: what the
// linker wrote into the program itself, so that it lists what is in there and nothing
// else.
//
//	sbom -version VERSION PROGRAM
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	version := flags.String("version", "", "version of the release")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *version == "" || flags.NArg() != 1 {
		return errors.New("usage: sbom -version VERSION PROGRAM")
	}
	bom, err := describe(flags.Arg(0), *version)
	if err != nil {
		return err
	}
	// 1.6 is what the readers of today know.
	return cdx.NewBOMEncoder(stdout, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
}

// describe has no serial number and no time: they would make two builds of one
// source differ.
func describe(program, version string) (*cdx.BOM, error) {
	content, err := os.ReadFile(program) // #nosec G304 -- the release script names it
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	main := cdx.Component{
		BOMRef: purl(info.Main.Path, version), Type: cdx.ComponentTypeApplication,
		Name: info.Main.Path, Version: version, PackageURL: purl(info.Main.Path, version),
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
	}
	components := []cdx.Component{library("std", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, dep := range info.Deps {
		components = append(components, module(dep))
	}
	refs := make([]string, 0, len(components))
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &main}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	return bom, nil
}

// module follows a replacement: what is linked counts.
func module(m *debug.Module) cdx.Component {
	if m.Replace != nil {
		m = m.Replace
	}
	return library(m.Path, m.Version, m.Sum)
}

// library is a component; sum is as go.sum has it, a SHA-256 over the module's files.
func library(path, version, sum string) cdx.Component {
	c := cdx.Component{
		BOMRef: purl(path, version), Type: cdx.ComponentTypeLibrary,
		Name: path, Version: version, PackageURL: purl(path, version),
	}
	if digest, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:")); err == nil && len(digest) == sha256.Size {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(digest)}}
	}
	return c
}

// purl is the package URL of a Go module.
func purl(path, version string) string {
	return "pkg:golang/" + (&url.URL{Path: path}).EscapedPath() + "@" + url.QueryEscape(version)
}
