// Package packages makes a release for the platform of the test, as `make release` does
// for all, and installs and runs what is in it: the archive, the .deb and the .rpm under
// a real systemd in a container, the image from a real registry.
package packages
