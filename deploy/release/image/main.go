// Image makes the container image of a release: one layer on nothing, for each
// platform, under one index, as an OCI image layout. It needs no container engine and
// no registry, and the same input gives the same digests.
//
//	image -out DIR -ca BUNDLE -version VERSION linux/amd64=PROGRAM linux/arm64=PROGRAM
//
// What the image has is what the Dockerfile gives to it; a test compares the two.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	out := flags.String("out", "", "folder of the image layout to write")
	ca := flags.String("ca", "", "PEM file of the public certificate authorities to trust")
	version := flags.String("version", "", "version of the release")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" || *ca == "" || *version == "" || flags.NArg() == 0 {
		return errors.New("usage: image -out DIR -ca BUNDLE -version VERSION linux/ARCH=PROGRAM...; see the package's text")
	}
	bundle, err := os.ReadFile(*ca)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arg := range flags.Args() {
		name, program, _ := strings.Cut(arg, "=")
		platform, err := v1.ParsePlatform(name)
		if err != nil || platform.OS != "linux" || program == "" {
			return fmt.Errorf("%q is not linux/ARCH=PROGRAM", arg)
		}
		image, err := newImage(*platform, program, bundle, *version)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: platform},
		})
	}
	_, err = layout.Write(*out, index)
	return err
}
